import type { MiddlewareHandler } from 'hono'
import { cors as honoCors } from 'hono/cors'
import { describe, InvalidOption } from '../errors.ts'

export interface CorsOptions {
  /** Whose pages may call: `https://app.example` each, or `*` alone for any. */
  readonly origins: readonly string[]
}

/** For `createApi`: made by `cors`. */
export type Cors = MiddlewareHandler

/** Those that the API has. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']
/** What a caller may have to send, and what it may have to read, beside what browsers allow by themselves. */
const SENT = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'Prefer',
]
const READ = [
  'Allow',
  'ETag',
  'Idempotent-Replayed',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
]
/** As long as any browser remembers it. */
const MAX_AGE_S = 7_200

/**
 * Lets pages of other origins call the API from a browser, with a token of their own: for the option `cors` of `createApi`. Never with
 * cookies: the API has none.
 *
 * Throws `InvalidOption` for what is no origin.
 *
 * @example
 * ```ts
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { cors, createApi } from 'tq-edge/http'
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const api = createApi({ broker, tokens: ['a-long-random-token'], cors: cors({ origins: ['https://app.example'] }) })
 *
 * const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' }
 * const preflight = await api.request('/v1/tasks/greet', { method: 'OPTIONS', headers })
 * console.log(preflight.status, preflight.headers.get('Access-Control-Allow-Origin')) // 204 https://app.example
 * await broker.close()
 * ```
 */
export function cors({ origins }: CorsOptions): Cors {
  check(origins)
  const origin = origins[0] === '*' ? '*' : [...origins]
  const answer = honoCors({ origin, allowMethods: METHODS, allowHeaders: SENT, exposeHeaders: READ, maxAge: MAX_AGE_S })
  // Any other OPTIONS is a call like any other, and gets what the route says.
  return (c, next) =>
    c.req.method === 'OPTIONS' && !c.req.header('Access-Control-Request-Method') ? next() : answer(c, next)
}

function check(origins: readonly string[]): void {
  const expected = 'addresses such as https://app.example, without a path, or "*" alone'
  if (!Array.isArray(origins) || origins.length === 0) throw new InvalidOption('origins', expected, describe(origins))
  for (const origin of origins) {
    const isAny = origin === '*' && origins.length === 1
    if (!isAny && !isOrigin(origin)) throw new InvalidOption('origins', expected, `"${String(origin).slice(0, 100)}"`)
  }
}

/** A `*` would be read as a part of a name, which no page has. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text && !text.includes('*')
}
