import type { MiddlewareHandler } from 'hono'
import { describe, InvalidOption } from '../errors.ts'
import { isAmong, sha256, toBytes } from '../hmac.ts'
import { refusal } from './problem.ts'

/** The bearer tokens that callers may use; `'none'` leaves the API open to whoever reaches it. */
export type Tokens = readonly string[] | 'none'

/** What an `Authorization` header can carry: printable ASCII without spaces. */
const TOKEN = /^[\x21-\x7e]+$/
const CREDENTIALS = /^Bearer +([\x21-\x7e]+) *$/i

/** Lets through whoever may call. Throws `InvalidOption` for tokens that could never match or that protect nothing. */
export function guard(tokens: Tokens): MiddlewareHandler {
  return tokens === 'none' ? requireSameSite : requireToken(checkTokens(tokens))
}

function requireToken(tokens: readonly string[]): MiddlewareHandler {
  const check = createTokenCheck(tokens)
  return async (c, next) => {
    await check(c.req.header('Authorization'))
    return next()
  }
}

/** Throws `RefusedRequest` for an `Authorization` header that carries none of the tokens. */
export function createTokenCheck(tokens: readonly string[]): (header: string | null | undefined) => Promise<void> {
  // Made at the first request: some edge runtimes do no work before one.
  let digests: readonly Uint8Array[] | undefined
  return async (header) => {
    const token = CREDENTIALS.exec(header ?? '')?.[1]
    if (token === undefined) throw unauthorized('none', '')
    digests ??= await Promise.all(tokens.map(digestOf))
    if (!isAmong(await digestOf(token), digests)) throw unauthorized('one that is not known', ', error="invalid_token"')
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
const requireSameSite: MiddlewareHandler = async (c, next) => {
  const site = c.req.header('Sec-Fetch-Site')
  const origin = c.req.header('Origin')
  const foreign = site ? site !== 'same-origin' && site !== 'none' : origin && hostOf(origin) !== hostOf(c.req.url)
  const byPage = (site && site !== 'none') || origin
  if (foreign || (byPage && !LOOPBACK_HOST.test(hostOf(c.req.url))))
    throw refusal('cross-site', 'expected a call that no page of another site makes, got one that does')
  return next()
}

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : ''
}

const digestOf = (token: string) => sha256(toBytes(token))

function checkTokens(tokens: readonly string[]): readonly string[] {
  if (!Array.isArray(tokens) || tokens.length === 0)
    throw new InvalidOption('tokens', "one token or more, or 'none'", describe(tokens))
  for (const [at, token] of tokens.entries())
    if (typeof token !== 'string' || !TOKEN.test(token))
      throw new InvalidOption(`tokens[${at}]`, 'printable ASCII without spaces', describe(token))
  return [...tokens]
}
