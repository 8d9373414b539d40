import { describe, InvalidOption } from '../../../src/errors.ts'
import type { Bytes } from '../../../src/hmac.ts'
import { createSecret } from '../../../src/http/secret.ts'

/** Each field but `scripts` takes something away. */
export interface Rights {
  /** Nothing that writes, publishes, or lists the keys there are. */
  readonly readOnly?: boolean | undefined
  /** Only keys and channels that begin with one of these. */
  readonly prefixes?: readonly string[] | undefined
  /** Only these: `get`, `config|get`, or a category of Redis's ACLs as `@hash`. */
  readonly commands?: readonly string[] | undefined
  /**
   * Scripts too. A script reaches every key and nearly every command: only the keys that are declared are checked. With `readOnly` those
   * in which Redis refuses what writes, such as `EVAL_RO`. Default false.
   */
  readonly scripts?: boolean | undefined
}

/** What is configured of a token; the token itself is nowhere but with its caller. It says what it may do, or `all`. */
export interface GatewayToken extends Rights {
  /** Its SHA-256 in hex. */
  readonly hash: string
  /** Who it is for, as the access log says it. */
  readonly name?: string | undefined
  /** It may do everything that the gateway lets through. Default false. */
  readonly all?: boolean | undefined
  /** It reads `/metrics`, and may do nothing else. Default false. */
  readonly metrics?: boolean | undefined
  /** From then on it is as if it were not there. Default never. */
  readonly expiresAtMs?: number | undefined
}

/** Who may call: tokens that may do everything, and records of those with rights. */
export type GatewayTokens = readonly (string | GatewayToken)[]

export interface NewGatewayToken {
  /** For the caller alone. */
  readonly token: string
  /** For the configuration. */
  readonly record: GatewayToken
}

/** What an `Authorization` header can carry: printable ASCII without spaces. */
const TOKEN = /^[\x21-\x7e]+$/
const HASH = /^[0-9a-f]{64}$/
/** What is safe to print. */
export const NAME: RegExp = /^[\w.-]{1,100}$/
const COMMAND = /^@?[a-z][\w.-]{0,63}(?:\|[a-z][\w-]{0,63})?$/i
/** As a pattern it would stand for more than itself. */
const GLOB = /[*?[\]\\^]/
const FLAGS = ['all', 'readOnly', 'scripts', 'metrics'] as const
/** What tells a record of the gateway's from others. */
export const RIGHTS: readonly string[] = ['prefixes', 'commands', ...FLAGS]
const FIELDS: ReadonlySet<string> = new Set(['hash', 'name', 'expiresAtMs', ...RIGHTS])

/**
 * Makes a token of the gateway's, and the record of it that `createGateway` takes.
 *
 * Throws `InvalidOption` for what are no rights.
 *
 * @example
 * ```ts
 * import { createGatewayToken } from 'tq-edge/gateway'
 *
 * const { token, record } = await createGatewayToken({ name: 'web', prefixes: ['web:'], readOnly: true })
 * console.log(token.length, record.prefixes) // 46 [ "web:" ]
 * ```
 */
export async function createGatewayToken(
  rights: Omit<GatewayToken, 'hash'>,
  random: Bytes = crypto.getRandomValues(new Uint8Array(32)),
): Promise<NewGatewayToken> {
  const { token, hash } = await createSecret(random)
  const record = { ...rights, hash }
  checkGatewayToken(record, 'the token')
  return { token, record }
}

/** Throws `InvalidOption` for tokens that could never match, and for rights that say something else than they look like. */
export function checkGatewayTokens(tokens: GatewayTokens): GatewayTokens {
  if (!Array.isArray(tokens)) throw new InvalidOption('tokens', 'one token or more', describe(tokens))
  for (const [at, token] of tokens.entries()) {
    if (typeof token === 'object' && token !== null) checkGatewayToken(token, `tokens[${at}]`)
    else if (typeof token !== 'string' || !TOKEN.test(token))
      throw new InvalidOption(`tokens[${at}]`, 'printable ASCII without spaces, or a record', describe(token))
  }
  return tokens
}

type Given = Partial<Record<keyof GatewayToken, unknown>>

/** A field that is misspelt is refused: a token that should be narrow would not be. */
export function checkGatewayToken(record: object, place: string): asserts record is GatewayToken {
  const given: Given = record
  const { hash, name, prefixes, commands, expiresAtMs } = given
  if (Object.keys(record).some((field) => !FIELDS.has(field)))
    throw new InvalidOption(place, `an object of ${[...FIELDS].join(', ')}`, 'one with another field')
  if (typeof hash !== 'string' || !HASH.test(hash))
    throw new InvalidOption(`${place}.hash`, 'a SHA-256, 64 hex digits in lower case', describe(hash))
  if (name !== undefined && !(typeof name === 'string' && NAME.test(name)))
    throw new InvalidOption(`${place}.name`, '1 to 100 letters, digits, "_", "." and "-"', describe(name))
  for (const flag of FLAGS)
    if (given[flag] !== undefined && typeof given[flag] !== 'boolean')
      throw new InvalidOption(`${place}.${flag}`, 'true or false', describe(given[flag]))
  checkList(prefixes, isPrefix, `${place}.prefixes`, 'a list of what keys begin with, each without * ? [ ] \\ and ^')
  checkList(commands, isCommand, `${place}.commands`, 'a list of commands such as get, config|get or @hash')
  checkKind(given, place)
  if (expiresAtMs !== undefined && !(Number.isSafeInteger(expiresAtMs) && (expiresAtMs as number) > 0))
    throw new InvalidOption(`${place}.expiresAtMs`, 'milliseconds since the epoch', describe(expiresAtMs))
}

/** Never everything by omission. */
function checkKind({ all, metrics, readOnly, prefixes, commands, scripts }: Given, place: string): void {
  const isNarrow = Boolean(readOnly || prefixes || commands)
  if ([all, metrics, isNarrow].filter(Boolean).length !== 1)
    throw new InvalidOption(place, 'one of all, metrics, or readOnly, prefixes and commands', 'none or several')
  if (scripts && !isNarrow)
    throw new InvalidOption(`${place}.scripts`, 'beside readOnly, prefixes or commands', 'alone')
}

function checkList(list: unknown, isOne: (item: unknown) => boolean, option: string, expected: string): void {
  if (list === undefined) return
  if (!Array.isArray(list) || list.length === 0) throw new InvalidOption(option, expected, describe(list))
  const wrong = list.findIndex((item) => !isOne(item))
  if (wrong >= 0) throw new InvalidOption(`${option}[${wrong}]`, expected, describe(list[wrong]))
}

/** Half a character at the end would become another one on its way to Redis. */
function isPrefix(item: unknown): boolean {
  return typeof item === 'string' && item.length > 0 && !GLOB.test(item) && Buffer.from(item).toString() === item
}

function isCommand(item: unknown): boolean {
  return typeof item === 'string' && COMMAND.test(item)
}
