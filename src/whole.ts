import { InvalidOption } from './errors.ts'

/** Throws `InvalidOption` for what is no whole number within these bounds. */
export function checkWhole(option: string, value: number, min: number, max: number): void {
  if (!(Number.isSafeInteger(value) && value >= min && value <= max))
    throw new InvalidOption(option, `a whole number from ${min} to ${max}`, String(value))
}
