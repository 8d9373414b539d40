import { printLine } from './print.ts'
import { toTime } from './times.ts'

/** A line for a field of what is shown; none for null. */
export function printField(field: string, value: unknown): void {
  if (value === null) return
  const text = field.endsWith('AtMs')
    ? toTime(Number(value))
    : typeof value === 'string'
      ? value
      : JSON.stringify(value)
  printLine(`${field.replace(/Ms$/, '').padEnd(12)}  ${text}`)
}
