/**
 * How many calls a token and an address may make, counted on the broker: all instances of the API count together.
 *
 * A call is counted once it is known that it may be made, so that a stranger's costs no command, and before anything of it is done.
 * Its answer tells how the limits stand by `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-10 has them (of
 * September 2025, and no RFC).
 *
 * @module
 */
import type { Context, MiddlewareHandler } from 'hono'
import type { Broker } from '../broker.ts'
import type { Clock } from '../clock.ts'
import { InvalidOption, isTqError, toError } from '../errors.ts'
import type { OnEvent } from '../events.ts'
import { toBase64Url } from '../hmac.ts'
import { networkOf } from '../networks.ts'
import {
  MAX_RATE_CALLS,
  MAX_RATE_WINDOW_MS,
  MIN_RATE_WINDOW_MS,
  type Rate,
  type RateLeft,
  type RateLimit,
} from '../rate.ts'
import { checkWhole } from '../whole.ts'
import { DIGEST } from './auth.ts'
import type { AddressOf } from './failures.ts'
import { refusal } from './problem.ts'
import { needsLink } from './scopes.ts'
import type { Tokens } from './tokens.ts'

/** At most so many calls at once, and as many again over each window; default: no limit. */
export interface RateLimitOptions {
  /** Of each token. */
  readonly perToken?: Rate | undefined
  /** Of each address, whatever its tokens. Needs `addressOf`; a call of which it knows no address is not counted. */
  readonly perAddress?: Rate | undefined
}

/** What `createApi` counts calls by: from `rateLimits`, so that it weighs on nobody who has none. */
export type RateLimits = (context: RateContext) => RateCounter

export interface RateContext {
  readonly broker: Broker
  readonly tokens: Tokens | (() => Tokens)
  readonly addressOf?: AddressOf | undefined
  readonly clock: Clock
  readonly onEvent: OnEvent | undefined
}

/** Counts a call that may be made. Throws `RefusedRequest` for one too many. */
export type CountCall = (c: Context) => Promise<void>

export interface RateCounter {
  readonly countCall: CountCall
  /** Counts each call, but for those with a link: its route verifies it, and counts the call then. */
  readonly count: MiddlewareHandler
  /** Sets the headers of every answer to a call that was counted. */
  readonly tell: MiddlewareHandler
}

type Counted = RateLimit & RateLeft

/** By a name that an app which mounts the API has no value of its own under. */
const COUNTED = 'tq.counted'
const ADDRESS = 'tq.address'
/** Of a token's SHA-256: no two tokens share so much of it. */
const TOKEN_BYTES = 12
/** An address is shorter. */
const MAX_ADDRESS_CHARS = 100
/** The most limits that are remembered as used up. */
const MAX_USED_UP = 10_000

/**
 * For `createApi({ rateLimits })`: limits how many calls each token and each address may make, over all instances on one broker.
 *
 * Throws `InvalidOption` for limits that cannot be; `createApi` throws it for those that would count nobody.
 *
 * @example
 * ```ts
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createApi, rateLimits } from 'tq-edge/http'
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const perToken = { calls: 100, windowMs: 10_000 }
 * const api = createApi({ broker, tokens: ['a-long-random-token'], rateLimits: rateLimits({ perToken }) })
 *
 * const response = await api.request('/v1/jobs', { headers: { Authorization: 'Bearer a-long-random-token' } })
 * console.log(response.headers.get('RateLimit')) // "token";r=99;t=1
 * await broker.close()
 * ```
 */
export function rateLimits(options: RateLimitOptions): RateLimits {
  const { perToken, perAddress } = options
  for (const each of ['perToken', 'perAddress'] as const) checkRate(`rateLimits.${each}`, options[each])
  return (context) => {
    if (perToken) requireCounted('perToken', context.tokens !== 'none', 'tokens that callers have')
    if (perAddress) requireCounted('perAddress', context.addressOf !== undefined, '`addressOf`, which knows addresses')
    const countCall = createCountCall(options, context)
    return { countCall, count: countUnlessLink(countCall), tell: tellRates(context) }
  }
}

function createCountCall({ perToken, perAddress }: RateLimitOptions, context: RateContext): CountCall {
  const { broker, clock, onEvent } = context
  /** Until when limits are used up: whatever others do, none of them allows a call before, and the broker need not be asked. */
  const usedUp = new Map<string, number>()

  function limitsOf(c: Context): RateLimit[] {
    const digest: Uint8Array | undefined = c.get(DIGEST)
    const address: string | null | undefined = perAddress && c.get(ADDRESS)
    return [
      ...(perToken && digest ? [limit('token', toBase64Url(digest.subarray(0, TOKEN_BYTES)), perToken)] : []),
      ...(perAddress && address ? [limit('address', networkOf(address).slice(0, MAX_ADDRESS_CHARS), perAddress)] : []),
    ]
  }

  function stillUsedUp(limits: readonly RateLimit[]): Counted[] {
    const nowMs = clock.monotonic()
    return limits.flatMap((limit) => {
      const moreInMs = (usedUp.get(limit.key) ?? 0) - nowMs
      if (moreInMs > 0) return [{ ...limit, allowed: false, remaining: 0, moreInMs }]
      usedUp.delete(limit.key)
      return []
    })
  }

  async function count(limits: readonly RateLimit[]): Promise<Counted[]> {
    const askedMs = clock.monotonic()
    const left = await broker.countCall(limits)
    const counted = limits.map((limit, at) => ({ ...limit, ...(left[at] as RateLeft) }))
    for (const { key, moreInMs } of refusedOf(counted)) {
      if (usedUp.size >= MAX_USED_UP) usedUp.clear()
      usedUp.set(key, askedMs + moreInMs)
    }
    return counted
  }

  /** Once: each copy would count. Where the broker does not answer, the call itself fails, or comes through once it answers again. */
  async function countIfAnswered(limits: readonly RateLimit[]): Promise<Counted[]> {
    try {
      return await count(limits)
    } catch (thrown) {
      const error = toError(thrown)
      if (!isTqError(error) || !(error.retryable || error.name === 'StorageFull')) throw error
      onEvent?.({ kind: 'broker.failed', call: 'countCall', reason: error.message })
      return []
    }
  }

  return async (c) => {
    const limits = limitsOf(c)
    if (limits.length === 0) return
    const known = stillUsedUp(limits)
    const counted = known.length > 0 ? known : await countIfAnswered(limits)
    c.set(COUNTED, counted)
    const refused = refusedOf(counted)
    if (refused.length > 0) throw tooMany(refused)
  }
}

const countUnlessLink =
  (countCall: CountCall): MiddlewareHandler =>
  async (c, next) => {
    if (!needsLink(c)) await countCall(c)
    return next()
  }

/** Comes first, and so knows the address of the request as it came: reading its body may make another of it. */
const tellRates =
  ({ addressOf }: RateContext): MiddlewareHandler =>
  async (c, next) => {
    c.set(ADDRESS, addressOf?.(c.req.raw))
    await next()
    const counted: readonly Counted[] = c.get(COUNTED) ?? []
    if (counted.length === 0) return
    const listed = (toParameters: (one: Counted) => string) =>
      counted.map((one) => `"${nameOf(one)}"${toParameters(one)}`).join(', ')
    c.res.headers.set(
      'RateLimit-Policy',
      listed(({ calls, windowMs }) => `;q=${calls};w=${toS(windowMs)}`),
    )
    c.res.headers.set(
      'RateLimit',
      listed(({ remaining, moreInMs }) => `;r=${remaining};t=${toS(moreInMs)}`),
    )
  }

type LimitName = 'token' | 'address'

const limit = (name: LimitName, whose: string, rate: Rate): RateLimit => ({
  key: `${name}:${whose}`,
  calls: rate.calls,
  windowMs: rate.windowMs,
})

const nameOf = ({ key }: RateLimit) => key.slice(0, key.indexOf(':'))
const refusedOf = (counted: readonly Counted[]) => counted.filter(({ allowed }) => !allowed)
const toS = (ms: number) => Math.ceil(ms / 1_000)

function tooMany(refused: readonly Counted[]) {
  const expected = refused.map((one) => {
    const calls = one.calls === 1 ? '1 call' : `${one.calls} calls`
    return `${calls} of ${nameOf(one) === 'address' ? 'an address' : 'a token'} in ${one.windowMs / 1_000} s`
  })
  const retryAfterS = toS(Math.max(...refused.map(({ moreInMs }) => moreInMs)))
  return refusal('rate-limited', `expected at most ${expected.join(' and ')}, got more: send it again later`, {
    headers: { 'Retry-After': String(retryAfterS) },
  })
}

function checkRate(option: string, rate: Rate | undefined): void {
  if (!rate) return
  checkWhole(`${option}.calls`, rate.calls, 1, MAX_RATE_CALLS)
  checkWhole(`${option}.windowMs`, rate.windowMs, MIN_RATE_WINDOW_MS, MAX_RATE_WINDOW_MS)
}

function requireCounted(option: keyof RateLimitOptions, counted: boolean, needed: string): void {
  if (!counted) throw new InvalidOption(`rateLimits.${option}`, `given together with ${needed}`, 'none of that')
}
