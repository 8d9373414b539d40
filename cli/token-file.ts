/**
 * The records of tokens in a JSON file, for those who serve: no broker is asked who may call, and the tokens themselves are nowhere.
 */
import { randomUUID } from 'node:crypto'
import { chownSync, existsSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { checkGatewayToken, type GatewayToken, RIGHTS } from '../adapters/gateway/tokens/token.ts'
import { describe, InvalidOption, toError } from '../src/errors.ts'
import { checkRecord, type TokenRecord } from '../src/http/tokens.ts'
import { UsageError } from './errors.ts'

/** Throws `InvalidOption` for what is no record of its kind. */
export type CheckRecord<R extends object> = (record: object, place: string) => asserts record is R

export type AnyToken = TokenRecord | GatewayToken

/** Which command makes a file of such records. */
const makerOf = (check: unknown) => (check === checkGatewayToken ? 'gateway' : 'create')

/** Of the REST API or of the gateway, by its fields. */
export const checkAnyToken: CheckRecord<AnyToken> = (record, place) =>
  RIGHTS.some((field) => field in record) ? checkGatewayToken(record, place) : checkRecord(record, place)

/** Throws `UsageError` where there is none, or none that can be read, and `InvalidOption` for one that holds something else. */
export function readTokens<R extends AnyToken>(path: string, check: CheckRecord<R>): readonly R[] {
  if (!existsSync(path))
    throw new UsageError(
      `expected a file of tokens at ${path}, got none: tq token ${makerOf(check)} --tokens ${path} makes one`,
    )
  const records = parse(read(path))
  if (!Array.isArray(records)) throw new InvalidOption(path, 'a JSON array of records of tokens', describe(records))
  for (const [at, record] of records.entries()) check(Object(record), `${path}[${at}]`)
  return records
}

/** Adds one to a file, or begins it. Throws `UsageError` for a name that another one has, and as `readTokens` does. */
export function addToken<R extends AnyToken>(path: string, record: R, check: CheckRecord<R>): void {
  const others = existsSync(path) ? readTokens(path, check) : []
  if (record.name !== undefined && others.some(({ name }) => name === record.name))
    throw new UsageError(`expected a --name that no other token in ${path} has, got "${record.name}"`)
  writeTokens(path, [...others, record])
}

/** Without rights to it another start changes nothing, which the exit code says. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw unusable('that can be read', path, cause)
  }
}

/** What cannot be read may hold a token that somebody has put there by mistake: it is not repeated. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/**
 * In one step, so that nobody reads half of it; a new one is for the eyes of its owner alone, which by root's hand stays whoever it was:
 * who serves could read it no more, and would go on with the tokens from before.
 */
export function writeTokens(path: string, records: readonly AnyToken[]): void {
  // Whoever serves may know it by another name.
  const target = existsSync(path) ? realpathSync(path) : path
  const last = statSync(target, { throwIfNoEntry: false })
  const mode = last ? last.mode & 0o777 : 0o600
  const written = `${target}.${randomUUID()}`
  try {
    writeFileSync(written, `${JSON.stringify(records, null, 2)}\n`, { mode })
    if (last && process.getuid?.() === 0) chownSync(written, last.uid, last.gid)
    renameSync(written, target)
  } catch (cause) {
    throw unusable('in a folder that can be written to', path, cause)
  }
}

function unusable(what: string, path: string, cause: unknown): UsageError {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException
  return new UsageError(`expected --tokens to be a file ${what}, got ${path} (${code})`, { cause })
}

export interface TokenFileOptions<R extends AnyToken> {
  readonly path: string
  readonly check: CheckRecord<R>
  readonly monotonic: () => number
  /** Told once of each change that cannot be used. */
  readonly onBroken: (error: Error) => void
}

/** The file is looked at no more often than that, and only when somebody calls. */
const LOOK_MS = 1_000

/** The records as the file has them by then; `atOnce` reads it again whenever it was looked at last. */
export type RecordsNow<R extends AnyToken> = (how?: { readonly atOnce: boolean }) => readonly R[]

/**
 * Follows a file: a change counts within a second. While the file is gone or broken, the records before it do.
 *
 * Throws like `readTokens`, at once.
 */
export function followTokens<R extends AnyToken>({
  path,
  check,
  monotonic,
  onBroken,
}: TokenFileOptions<R>): RecordsNow<R> {
  let version = versionOf(path)
  let records = readTokens(path, check)
  let lookedMs = monotonic()
  return ({ atOnce } = { atOnce: false }) => {
    if (!atOnce && monotonic() - lookedMs < LOOK_MS) return records
    lookedMs = monotonic()
    const current = versionOf(path)
    if (!atOnce && current === version) return records
    version = current
    try {
      records = readTokens(path, check)
    } catch (thrown) {
      onBroken(toError(thrown))
    }
    return records
  }
}

/** Tokens that never change, and the records of a file: the same list for as long as those are the same. */
export function withFixed<R extends AnyToken>(
  fixed: readonly string[],
  recordsNow: RecordsNow<R>,
): () => readonly (string | R)[] {
  let records = recordsNow()
  let tokens: readonly (string | R)[] = [...fixed, ...records]
  return () => {
    const current = recordsNow()
    if (current !== records) tokens = [...fixed, ...current]
    records = current
    return tokens
  }
}

function versionOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found ? `${found.ino} ${found.mtimeMs} ${found.size}` : 'none'
}
