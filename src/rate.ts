/**
 * Rate limits by the generic cell rate algorithm (GCRA, by virtual scheduling: ITU-T I.371).
 *
 * Of each limit one number is kept: until when its calls so far are paid for, where each call pays for `windowMs / calls`. A call is
 * allowed as long as that is no more than the window ahead. So there are at most `calls` at once, then one each `windowMs / calls`,
 * and in any stretch of time no more than `calls` and one for each `windowMs / calls` of it. A call that is refused counts nothing.
 *
 * @module
 */

/** What calls are counted against: `calls` at once, and as many again over each `windowMs`. */
export interface Rate {
  /** From 1 to 1,000,000. */
  readonly calls: number
  /** From 1,000 (a second) to 2,678,400,000 (31 days). */
  readonly windowMs: number
}

export interface RateLimit extends Rate {
  /** Whose: what has the same key is counted together. At most `MAX_RATE_KEY_CHARS`, and no secret: it is kept as it is. */
  readonly key: string
}

/** How a limit stands right after the call. */
export interface RateLeft {
  /** Whether this limit allows the call. */
  readonly allowed: boolean
  /** How many more it would allow at once. */
  readonly remaining: number
  /** When it will allow one more than that; 0 where it allows all. */
  readonly moreInMs: number
}

export const MAX_RATE_CALLS = 1_000_000
export const MIN_RATE_WINDOW_MS = 1_000
export const MAX_RATE_WINDOW_MS = 2_678_400_000
export const MAX_RATE_KEY_CHARS = 200

/** What a call pays for, in whole microseconds: stores count without fractions. Up: never more than was said. */
export const everyUs = ({ calls, windowMs }: Rate): number => Math.ceil((windowMs * 1_000) / calls)

/** How a limit stands whose calls are paid for until so far from now. */
export function toRateLeft(rate: Rate, allowed: boolean, aheadUs: number): RateLeft {
  const every = everyUs(rate)
  const freeUs = rate.calls * every - aheadUs
  const remaining = Math.floor(freeUs / every)
  return { allowed, remaining, moreInMs: aheadUs === 0 ? 0 : Math.ceil(((remaining + 1) * every - freeUs) / 1_000) }
}
