/**
 * Retry policy as pure functions: how long to wait after a failed attempt, and whether to try again at all.
 *
 * @module
 */
import { FOREVER_MS } from './clock.ts'
import { InvalidOption, isTqError, type RetryAfter } from './errors.ts'

/** Milliseconds to wait after attempt number `attempt` (from 1) has failed; `random` gives numbers in [0, 1). */
export type Backoff = (attempt: number, random: () => number) => number

/**
 * How a delay is spread, so that jobs that failed together do not come back together:
 * `none` as computed, `full` between 0 and it, `equal` between half of it and it.
 */
export type Jitter = 'none' | 'full' | 'equal'

export interface RetryPolicy {
  /** How often a job is tried in all, the first time included. Default 5. */
  readonly maxAttempts?: number
  /** The wait before each further attempt. Default `exponential({ baseMs: 1_000, maxMs: 600_000 })`. */
  readonly backoff?: Backoff
  /** Says of an error whether trying again makes sense. Default: always. */
  readonly retryIf?: (error: Error) => boolean
}

/** What becomes of a job whose attempt has failed. */
export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'failed'; readonly reason: 'attempts used up' | 'not retryable' }

const JITTERS: Record<Jitter, (delayMs: number, random: () => number) => number> = {
  none: (delayMs) => delayMs,
  full: (delayMs, random) => delayMs * random(),
  equal: (delayMs, random) => delayMs / 2 + (delayMs / 2) * random(),
}

/**
 * The same wait after every attempt.
 *
 * @example
 * ```ts
 * import { fixed } from 'tq-edge'
 *
 * const backoff = fixed({ delayMs: 5_000 })
 * console.log(backoff(3, Math.random)) // 5000
 * ```
 */
export function fixed({ delayMs, jitter = 'none' }: { delayMs: number; jitter?: Jitter }): Backoff {
  requireMs('delayMs', delayMs)
  return (_attempt, random) => Math.round(JITTERS[jitter](delayMs, random))
}

/**
 * A wait that grows by `factor` (default 2) with every attempt, from `baseMs` up to `maxMs`.
 *
 * @example
 * ```ts
 * import { exponential } from 'tq-edge'
 *
 * const backoff = exponential({ baseMs: 1_000, maxMs: 60_000, jitter: 'none' })
 * console.log([1, 2, 3, 9].map((attempt) => backoff(attempt, Math.random))) // [ 1000, 2000, 4000, 60000 ]
 * ```
 */
export function exponential({
  baseMs,
  maxMs,
  factor = 2,
  jitter = 'equal',
}: {
  baseMs: number
  maxMs: number
  factor?: number
  jitter?: Jitter
}): Backoff {
  requireMs('baseMs', baseMs)
  requireMs('maxMs', maxMs)
  if (!(factor >= 1)) throw new InvalidOption('factor', 'a number, 1 or more', String(factor))
  return (attempt, random) => Math.round(JITTERS[jitter](Math.min(maxMs, baseMs * factor ** (attempt - 1)), random))
}

/**
 * One wait per attempt; the last one serves all that follow.
 *
 * @example
 * ```ts
 * import { list } from 'tq-edge'
 *
 * const backoff = list([1_000, 60_000])
 * console.log([1, 2, 3].map((attempt) => backoff(attempt, Math.random))) // [ 1000, 60000, 60000 ]
 * ```
 */
export function list(delaysMs: readonly number[], { jitter = 'none' }: { jitter?: Jitter } = {}): Backoff {
  if (delaysMs.length === 0) throw new InvalidOption('delaysMs', 'a list of at least one delay', 'an empty list')
  for (const delayMs of delaysMs) requireMs('every delay', delayMs)
  return (attempt, random) =>
    Math.round(JITTERS[jitter](delaysMs[Math.min(attempt, delaysMs.length) - 1] as number, random))
}

const DEFAULT_MAX_ATTEMPTS = 5
const defaultBackoff = exponential({ baseMs: 1_000, maxMs: 600_000 })

/** Decides on a job whose attempt number `attempt` (from 1) has failed with `error`. */
export function decideRetry(error: Error, attempt: number, policy: RetryPolicy, random: () => number): RetryDecision {
  if (isTqError(error, 'NonRetryable') || isForGood(error)) return { kind: 'failed', reason: 'not retryable' }
  if (attempt >= (policy.maxAttempts ?? DEFAULT_MAX_ATTEMPTS)) return { kind: 'failed', reason: 'attempts used up' }
  if (isTqError(error, 'RetryAfter')) return { kind: 'retry', delayMs: wholeDelay((error as RetryAfter).delayMs) }
  if (!unlessItThrows(true, () => policy.retryIf?.(error) ?? true)) return { kind: 'failed', reason: 'not retryable' }
  const backoff = policy.backoff ?? defaultBackoff
  const delayMs = unlessItThrows(defaultBackoff(attempt, random), () => backoff(attempt, random))
  return { kind: 'retry', delayMs: wholeDelay(delayMs) }
}

/** Errors that another attempt cannot mend: the input stays wrong or away, the address private, the effect has happened. */
const FOR_GOOD: ReadonlySet<string> = new Set([
  'InvalidInput',
  'NotSerializable',
  'TooLarge',
  'BlobGone',
  'AddressRefused',
])

function isForGood(error: Error): boolean {
  return isTqError(error) && FOR_GOOD.has(error.name)
}

/** A custom backoff may return anything; a job must not be lost to it. */
function wholeDelay(delayMs: number): number {
  return Number.isFinite(delayMs) ? Math.min(FOREVER_MS, Math.max(0, Math.round(delayMs))) : 0
}

/** A custom policy may throw as well: the job goes on as if it had said nothing. */
function unlessItThrows<T>(otherwise: T, ask: () => T): T {
  try {
    return ask()
  } catch {
    return otherwise
  }
}

function requireMs(option: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value)))
    throw new InvalidOption(option, 'a number of milliseconds, 0 or more', String(value))
}

/** Checks a policy where a task is defined, so that a wrong one fails at start and not at the first failure. */
export function checkRetryPolicy(task: string, { maxAttempts }: RetryPolicy): void {
  if (maxAttempts !== undefined && !(Number.isInteger(maxAttempts) && maxAttempts >= 1))
    throw new InvalidOption(`retry.maxAttempts of "${task}"`, 'a whole number, 1 or more', String(maxAttempts))
}
