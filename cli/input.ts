import { text } from 'node:stream/consumers'
import { UsageError } from './errors.ts'

/** A job's input from the command line: JSON, or `-` for stdin. Throws `UsageError` for what is none. */
export async function readInput(input: string | undefined): Promise<unknown> {
  if (input === undefined) return undefined
  const json = input === '-' ? await text(process.stdin) : input
  try {
    return JSON.parse(json)
  } catch {
    throw new UsageError(
      `expected the input to be JSON, got ${json.length} characters that are not: quote it, as in '{"name":"Ada"}'`,
    )
  }
}
