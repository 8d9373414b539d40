import type { Context, MiddlewareHandler } from 'hono'
import type { Clock } from '../clock.ts'
import { InvalidOption } from '../errors.ts'
import { placeAmong, sha256, toBytes } from '../hmac.ts'
import { refusal } from './problem.ts'
import { ADMIN, type Caller, needsLink, requireScope } from './scopes.ts'
import { checkTokens, type KnownToken, type Tokens } from './tokens.ts'

/** Of the caller's token; by a name that an app which mounts the API has no value of its own under. */
export const DIGEST = 'tq.digest'

const CREDENTIALS = /^Bearer +([\x21-\x7e]+) *$/i

/** Lets through whoever may call, to what they may do. */
export function guard(identify: Identify): MiddlewareHandler {
  return async (c, next) => {
    if (needsLink(c)) return next()
    const { caller, digest } = await identify(c)
    c.set(DIGEST, digest)
    requireScope(c, caller)
    return next()
  }
}

/** Who calls: by what they may do, and of their token its SHA-256; none where nobody is asked for one. */
interface Identity {
  readonly caller: Caller
  readonly digest?: Uint8Array
}

/** Says who calls. Throws `RefusedRequest` for whoever may not. */
export type Identify = (c: Context) => Promise<Identity>

type IdentifyAt = (c: Context, nowMs: number) => Promise<Identity>

/**
 * By the tokens as they are by then, which may be none any more: what is made of them is made anew only when they are others. Throws
 * `InvalidOption` for tokens that could never match or that protect nothing.
 */
export function createIdentify(given: Tokens | (() => Tokens), clock: Clock): Identify {
  if (Array.isArray(given) && given.length === 0)
    throw new InvalidOption('tokens', "one token or more, or 'none'", 'an array of 0')
  const tokensNow = typeof given === 'function' ? given : () => given
  let tokens = tokensNow()
  let identify = identifyBy(tokens)
  return (c) => {
    const current = tokensNow()
    if (current !== tokens) identify = identifyBy(current)
    tokens = current
    return identify(c, clock.now())
  }
}

function identifyBy(tokens: Tokens): IdentifyAt {
  if (tokens === 'none')
    return async (c) => {
      requireSameSite(c)
      return { caller: ADMIN }
    }
  const check = createTokenCheck(tokens)
  return (c, nowMs) => check(c.req.header('Authorization'), nowMs)
}

/** A token's SHA-256, and which of the known ones it is. */
interface Found {
  readonly digest: Uint8Array
  readonly found: KnownToken | undefined
}

export type TokenCheck = (header: string | null | undefined, nowMs: number) => Promise<Identity>

/** Says who has sent an `Authorization` header. Throws `RefusedRequest` for one that carries none of the tokens. */
export function createTokenCheck(tokens: Exclude<Tokens, 'none'>): TokenCheck {
  const known = checkTokens(tokens)
  // Made at the first request: some edge runtimes do no work before one.
  let digests: readonly Uint8Array[] | undefined
  const underWay = new Map<string, Promise<Found>>()

  async function find(token: string): Promise<Found> {
    digests ??= await Promise.all(known.map((one) => one.digest()))
    const digest = await sha256(toBytes(token))
    return { digest, found: known[placeAmong(digest, digests)] }
  }

  /** Requests that come at once with the same token share one look at it, which is most of what a request takes. */
  function findTogether(token: string): Promise<Found> {
    const looked = underWay.get(token) ?? find(token).finally(() => underWay.delete(token))
    underWay.set(token, looked)
    return looked
  }

  return async (header, nowMs) => {
    const token = CREDENTIALS.exec(header ?? '')?.[1]
    if (token === undefined) throw unauthorized('none', '')
    const { found, digest } = await findTogether(token)
    // An expired one is answered as one that never was.
    if (!found || nowMs >= found.expiresAtMs) throw unauthorized('one that is not known', ', error="invalid_token"')
    return { caller: found.caller, digest }
  }
}

function unauthorized(got: string, challenge: string) {
  return refusal('unauthorized', `expected the header "Authorization: Bearer <token>" with a known token, got ${got}`, {
    headers: { 'WWW-Authenticate': `Bearer realm="tq"${challenge}` },
  })
}

/**
 * Without a token, the one thing between a page in the developer's browser and this API is what the browser says of it:
 * a page may send a body without a content type anywhere, and be refused only the reply. And a page whose name has been
 * rebound to this machine counts as same-origin: so pages may call by a name of this machine only.
 */
function requireSameSite(c: Context): void {
  const site = c.req.header('Sec-Fetch-Site')
  const origin = c.req.header('Origin')
  const foreign = site ? site !== 'same-origin' && site !== 'none' : origin && hostOf(origin) !== hostOf(c.req.url)
  const byPage = (site && site !== 'none') || origin
  if (foreign || (byPage && !LOOPBACK_HOST.test(hostOf(c.req.url))))
    throw refusal('cross-site', 'expected a call that no page of another site makes, got one that does')
}

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : ''
}
