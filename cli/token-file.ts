/**
 * The records of tokens in a JSON file, for those who serve: no broker is asked who may call, and the tokens themselves are nowhere.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { describe, InvalidOption, toError } from '../src/errors.ts'
import { checkRecord, type TokenRecord } from '../src/http/tokens.ts'
import { UsageError } from './errors.ts'

/** Throws `UsageError` where there is none, and `InvalidOption` for one that holds something else. */
export function readTokens(path: string): readonly TokenRecord[] {
  if (!existsSync(path))
    throw new UsageError(`expected a file of tokens at ${path}, got none: tq token create --tokens ${path} makes one`)
  const records = parse(readFileSync(path, 'utf8'))
  if (!Array.isArray(records)) throw new InvalidOption(path, 'a JSON array of records of tokens', describe(records))
  for (const [at, record] of records.entries()) checkRecord(Object(record), `${path}[${at}]`)
  return records
}

/** What cannot be read may hold a token that somebody has put there by mistake: it is not repeated. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** In one step, so that nobody reads half of it; a new one is for the eyes of its owner alone. */
export function writeTokens(path: string, records: readonly TokenRecord[]): void {
  // Whoever serves may know it by another name.
  const target = existsSync(path) ? realpathSync(path) : path
  const mode = existsSync(target) ? statSync(target).mode & 0o777 : 0o600
  const written = `${target}.${randomUUID()}`
  writeFileSync(written, `${JSON.stringify(records, null, 2)}\n`, { mode })
  renameSync(written, target)
}

export interface TokenFileOptions {
  readonly path: string
  readonly monotonic: () => number
  /** Told once of each change that cannot be used. */
  readonly onBroken: (error: Error) => void
}

/** The file is looked at no more often than that, and only when somebody calls. */
const LOOK_MS = 1_000

/**
 * The records as the file has them by then: a change counts within a second. While the file is gone or broken, those before it do.
 *
 * Throws like `readTokens`, at once.
 */
export function followTokens({ path, monotonic, onBroken }: TokenFileOptions): () => readonly TokenRecord[] {
  let version = versionOf(path)
  let records = readTokens(path)
  let lookedMs = monotonic()
  return () => {
    if (monotonic() - lookedMs < LOOK_MS) return records
    lookedMs = monotonic()
    const current = versionOf(path)
    if (current === version) return records
    version = current
    try {
      records = readTokens(path)
    } catch (thrown) {
      onBroken(toError(thrown))
    }
    return records
  }
}

function versionOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found ? `${found.ino} ${found.mtimeMs} ${found.size}` : 'none'
}
