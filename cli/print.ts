/** The one place that writes to the terminal. */
import Table from 'cli-table3'
import pc from 'picocolors'

/** Of each stream the last write, which is done when all before it are. */
const written = new Map<NodeJS.WriteStream, Promise<void>>()

function write(stream: NodeJS.WriteStream, text: string): void {
  written.set(stream, new Promise((resolve) => stream.write(text, () => resolve())))
}

export function printLine(line: string): void {
  printText(`${line}\n`)
}

/** For a line that is written piece by piece. */
export function printText(text: string): void {
  write(process.stdout, text)
}

/** For what is not data: hints, warnings. Data on stdout stays clean for the next program. */
export function printNote(line: string): void {
  write(process.stderr, `${line}\n`)
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value))
}

export function printError(error: Error, debug: boolean): void {
  printNote(`${pc.red('error:')} ${debug ? (error.stack ?? error.message) : error.message}`)
  if (debug && error.cause instanceof Error) printNote(`caused by: ${error.cause.stack ?? error.cause.message}`)
}

const BORDERS = ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
const INNER_BORDERS = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid']
const NO_BORDERS = Object.fromEntries([...BORDERS, ...INNER_BORDERS].map((border) => [border, '']))

/** Columns with two spaces between; nothing but text where no terminal shows it. */
export function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const bold = process.stdout.isTTY ? pc.bold : String
  const table = new Table({
    chars: { ...NO_BORDERS, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  })
  table.push(
    head.map((title) => bold(title)),
    ...rows.map((row) => [...row]),
  )
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** Resolves once what was printed has left: a pipe takes it later than `write` returns. (An empty write does not wait its turn on Bun.) */
export async function flushed(): Promise<void> {
  await Promise.all(written.values())
}
