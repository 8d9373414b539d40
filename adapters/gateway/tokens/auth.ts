import crypto from 'node:crypto'
import type { Clock } from '../../../src/clock.ts'
import { InvalidOption } from '../../../src/errors.ts'
import { Refusal } from '../protocol/refusal.ts'
import { createSeal, createSlowSeal, type Login, type Seal, toSealed } from './acl-token.ts'
import { type Check, createCheck } from './rights.ts'
import { checkGatewayTokens, type GatewayToken, type GatewayTokens, NAME } from './token.ts'

/** Whose token a request carries, and what it may do. */
export interface Caller {
  /** Its token's SHA-256 in hex. */
  readonly hash: string
  readonly name?: string | undefined
  /** The rights of its token, as they are configured, or as Redis has them. They may be others at its next request. */
  readonly rights: string
  /** None for one that may do everything. */
  readonly check?: Check | undefined
  readonly mayReadMetrics: boolean
  readonly expiresAtMs: number
  /** For one that may do everything: what it makes ACL tokens with. */
  readonly seal?: Seal | undefined
  /** Of an ACL token: as whom its requests are run. */
  readonly login?: UserLogin | undefined
  /** Of an ACL token: the hash of the token that has made it, and that it ends with. */
  readonly maker?: string | undefined
}

/** A user of Redis's, and what may be the password. */
export interface UserLogin {
  readonly user: string
  readonly passwords: readonly string[]
}

export interface Guard {
  /** Throws `Refusal` for a request without a token that is good. */
  admit(request: Request, query: string): Caller
  /** Whether somebody who was admitted some time ago would be still, with the same rights. */
  isGood(caller: Caller): boolean
}

const CREDENTIALS = /^Bearer +([^ ]+) *$/i
const ADMIN: Omit<Caller, 'hash'> = { rights: 'all', mayReadMetrics: true, expiresAtMs: Number.POSITIVE_INFINITY }

/**
 * Says who calls, by one of the tokens, as a bearer or as `_token` in the query.
 *
 * Digests are compared, each of them and all of their bytes, so the time tells neither a token's length nor its beginning.
 * By `node:crypto`, because Node's WebCrypto digests on its thread pool, which costs more than the whole request.
 */
export function createGuard(tokens: GatewayTokens | (() => GatewayTokens), clock: Clock): Guard {
  if (Array.isArray(tokens) && tokens.length === 0)
    throw new InvalidOption('tokens', 'one token or more', 'an array of 0')
  const tokensNow = typeof tokens === 'function' ? tokens : () => tokens
  let current = tokensNow()
  let known = toKnown(current)

  /** By the tokens as they are by then: what is made of them is made anew only when they are others. */
  function knownNow(): readonly Known[] {
    const tokens = tokensNow()
    if (tokens !== current) known = toKnown(tokens, known)
    current = tokens
    return known
  }

  /** An expired one is as one that never was. */
  const isThere = (caller: Caller | undefined): caller is Caller =>
    caller !== undefined && clock.now() < caller.expiresAtMs

  return {
    admit(request, query) {
      const token = CREDENTIALS.exec(request.headers.get('authorization') ?? '')?.[1] ?? tokenOfQuery(query)
      const caller = token === undefined ? undefined : callerOf(token, knownNow())
      if (!isThere(caller)) throw unauthorized()
      return caller
    },
    isGood({ hash, rights, maker }) {
      const known = knownNow().findLast(({ caller }) => caller.hash === (maker ?? hash))
      return isThere(known?.caller) && known?.caller.rights === (maker ? ADMIN.rights : rights)
    },
  }
}

export const unauthorized = (): Refusal => new Refusal(401, 'WRONGPASS invalid or missing auth token')

interface Known {
  readonly digest: Buffer
  readonly caller: Caller
  /** Of one that may do everything, and is no record. */
  readonly token?: string
}

/** A token that stands `before` as well is the same still: its seal may have derived its key, which holds up all others for a while. */
function toKnown(tokens: GatewayTokens, before: readonly Known[] = []): readonly Known[] {
  return checkGatewayTokens(tokens).map((token) => {
    if (typeof token !== 'string') return knownAs(toCaller(token))
    return before.find((known) => known.token === token) ?? { ...knownAs(toAdmin(token)), token }
  })
}

function knownAs(caller: Caller): Known {
  return { digest: Buffer.from(caller.hash, 'hex'), caller }
}

function toAdmin(token: string): Caller {
  return { ...ADMIN, hash: sha256(token).toString('hex'), seal: createSlowSeal(token) }
}

function toCaller({
  hash,
  name,
  all,
  metrics = false,
  expiresAtMs = ADMIN.expiresAtMs,
  ...rights
}: GatewayToken): Caller {
  if (all) return { ...ADMIN, hash, name, expiresAtMs, seal: createSeal(hash) }
  const allowed = metrics ? { commands: [] } : rights
  const check = createCheck(allowed)
  return { hash, name, rights: JSON.stringify(allowed), check, mayReadMetrics: metrics, expiresAtMs }
}

function tokenOfQuery(query: string): string | undefined {
  return query ? (new URLSearchParams(query).get('_token') ?? undefined) : undefined
}

function callerOf(token: string, known: readonly Known[]): Caller | undefined {
  const digest = sha256(token)
  return find(digest, known) ?? findSealer(digest, token, known)
}

/** An ACL token ends with the token that has made it. */
function findSealer(digest: Buffer, token: string, known: readonly Known[]): Caller | undefined {
  const sealed = toSealed(token)
  if (!sealed) return undefined
  for (const { caller } of known) {
    const login = caller.seal?.open(sealed)
    if (login)
      return toUserCaller(login, token, {
        hash: digest.toString('hex'),
        maker: caller.hash,
        expiresAtMs: caller.expiresAtMs,
      })
  }
  return undefined
}

function toUserCaller(
  { user, password }: Login,
  token: string,
  of: Pick<Caller, 'hash' | 'maker' | 'expiresAtMs'>,
): Caller {
  const name = `acl:${NAME.test(user) ? user : '?'}`
  const login = { user, passwords: password === undefined ? [token] : [token, password] }
  return { ...of, name, rights: '', mayReadMetrics: false, login }
}

function find(digest: Buffer, known: readonly Known[]): Caller | undefined {
  let found: Caller | undefined
  for (const { digest: other, caller } of known) if (crypto.timingSafeEqual(digest, other)) found = caller
  return found
}

/** In one step, which takes half the time; Node has it since 20.12. */
function sha256(text: string): Buffer {
  return crypto.hash ? crypto.hash('sha256', text, 'buffer') : crypto.createHash('sha256').update(text).digest()
}
