/**
 * Bearer tokens, and what is kept of those that have scopes: their SHA-256. No slow hash: a token is 256 random bits, which nobody finds by
 * trying, however fast; a slow one would only let strangers keep the server busy.
 *
 * @module
 */
import { describe, InvalidOption } from '../errors.ts'
import { type Bytes, sha256, toBytes } from '../hmac.ts'
import { ADMIN, type Caller, SCOPE_FORM, toScope } from './scopes.ts'
import { createSecret } from './secret.ts'

/** What is configured of a token with scopes; the token itself is nowhere but with its caller. */
export interface TokenRecord {
  /** Its SHA-256 in hex. */
  readonly hash: string
  /** `read`, `operate`, `enqueue:<task glob>`, `work:<queue glob>`, `admin`. */
  readonly scopes: readonly string[]
  /** Who it is for. */
  readonly name?: string | undefined
  /** From then on it is as if it were not there. Default never. */
  readonly expiresAtMs?: number | undefined
}

/**
 * Who may call: tokens that may do everything, and records of those with scopes, as objects or as
 * `name:scope+scope:sha256hex[:expiresAtMs]`; `'none'` leaves the API open to whoever reaches it.
 */
export type Tokens = readonly (string | TokenRecord)[] | 'none'

/** A token as it is compared. */
export interface KnownToken {
  digest(): Bytes | Promise<Bytes>
  readonly caller: Caller
  readonly expiresAtMs: number
}

/** What an `Authorization` header can carry: printable ASCII without spaces. */
const TOKEN = /^[\x21-\x7e]+$/
const RECORD = /^([\w.-]{1,100}):(.+):([0-9a-f]{64})(?::(\d{1,15}))?$/
/** One that is mistyped is no token either: whoever reads a record must not be able to call by it. */
const ALMOST_RECORD = /:[0-9a-f]{32,}/i
const NAME = /^[\w.-]{1,100}$/
const HASH = /^[0-9a-f]{64}$/
const KEYS: ReadonlySet<string> = new Set(['hash', 'scopes', 'name', 'expiresAtMs'])

export interface NewToken {
  /** For the caller alone. */
  readonly token: string
  /** For the configuration. */
  readonly record: TokenRecord
}

/**
 * Makes a token with scopes, and the record of it that `createApi` takes.
 *
 * Throws `InvalidOption` for what is no scope.
 *
 * @example
 * ```ts
 * import { createToken } from 'tq-edge/http'
 *
 * const { token, record } = await createToken({ name: 'ci', scopes: ['enqueue:email.*', 'read'] })
 * console.log(token.length, record.scopes) // 46 [ "enqueue:email.*", "read" ]
 * ```
 */
export async function createToken(
  { scopes, name, expiresAtMs }: Omit<TokenRecord, 'hash'>,
  random: Bytes = crypto.getRandomValues(new Uint8Array(32)),
): Promise<NewToken> {
  const { token, hash } = await createSecret(random)
  const record = {
    ...(name !== undefined && { name }),
    scopes,
    hash,
    ...(expiresAtMs !== undefined && { expiresAtMs }),
  }
  checkRecord(record, 'the token')
  return { token, record }
}

/** A record as a variable of the environment has it. */
export function toRecordText({ name = 'token', scopes, hash, expiresAtMs }: TokenRecord): string {
  return [name, scopes.join('+'), hash, ...(expiresAtMs === undefined ? [] : [expiresAtMs])].join(':')
}

/** Throws `InvalidOption` for tokens that could never match or that protect nothing. */
export function checkTokens(tokens: readonly (string | TokenRecord)[]): readonly KnownToken[] {
  if (!Array.isArray(tokens)) throw new InvalidOption('tokens', "one token or more, or 'none'", describe(tokens))
  return tokens.map((token, at) => toKnown(token, `tokens[${at}]`))
}

function toKnown(token: unknown, place: string): KnownToken {
  // One that reads as a record is never a token: the record would open everything.
  const [, name, scopes = '', hash = '', expires] = (typeof token === 'string' && RECORD.exec(token)) || []
  if (name !== undefined)
    return fromRecord(
      { name, scopes: scopes.split('+'), hash, ...(expires !== undefined && { expiresAtMs: Number(expires) }) },
      place,
    )
  if (typeof token === 'object' && token !== null) return fromRecord(token, place)
  if (typeof token === 'string' && ALMOST_RECORD.test(token))
    throw new InvalidOption(
      place,
      'a token, or the record of one as tq token create prints it',
      'a text that is neither',
    )
  if (typeof token !== 'string' || !TOKEN.test(token))
    throw new InvalidOption(place, 'printable ASCII without spaces, or the record of a token', describe(token))
  return { digest: () => sha256(toBytes(token)), caller: ADMIN, expiresAtMs: Number.POSITIVE_INFINITY }
}

function fromRecord(record: object, place: string): KnownToken {
  checkRecord(record, place)
  const { hash, scopes, expiresAtMs = Number.POSITIVE_INFINITY } = record
  const digest = Uint8Array.from({ length: 32 }, (_, at) => Number.parseInt(hash.slice(2 * at, 2 * at + 2), 16))
  const caller = { who: hash, scopes: scopes.flatMap((scope) => toScope(scope) ?? []) }
  return { digest: () => digest, caller, expiresAtMs }
}

/** A field that is misspelt is refused: a token that should expire would not. */
export function checkRecord(record: object, place: string): asserts record is TokenRecord {
  const { hash, scopes, name, expiresAtMs, ...rest }: Partial<Record<keyof TokenRecord, unknown>> = record
  const more = Object.keys(rest).find((key) => !KEYS.has(key))
  if (more !== undefined)
    throw new InvalidOption(place, `an object of ${[...KEYS].join(', ')}`, 'one with another field')
  if (typeof hash !== 'string' || !HASH.test(hash))
    throw new InvalidOption(`${place}.hash`, 'a SHA-256, 64 hex digits in lower case', describe(hash))
  if (!Array.isArray(scopes) || scopes.length === 0)
    throw new InvalidOption(`${place}.scopes`, `a list of ${SCOPE_FORM}`, describe(scopes))
  const wrong = scopes.findIndex((scope) => !toScope(scope))
  if (wrong >= 0) throw new InvalidOption(`${place}.scopes[${wrong}]`, SCOPE_FORM, describe(scopes[wrong]))
  if (name !== undefined && !(typeof name === 'string' && NAME.test(name)))
    throw new InvalidOption(`${place}.name`, '1 to 100 letters, digits, "_", "." and "-"', describe(name))
  if (expiresAtMs !== undefined && !(Number.isSafeInteger(expiresAtMs) && (expiresAtMs as number) > 0))
    throw new InvalidOption(`${place}.expiresAtMs`, 'milliseconds since the epoch', describe(expiresAtMs))
}
