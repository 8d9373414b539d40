import { type Clock, sleep } from './clock.ts'
import { isTqError, toError } from './errors.ts'
import type { OnEvent } from './events.ts'
import { exponential } from './retry.ts'

export interface ResendOptions {
  /** What is being called, for events. */
  readonly call: string
  readonly clock: Clock
  readonly random: () => number
  /** No resend starts later than this after the first try. */
  readonly deadlineMs: number
  readonly onEvent?: OnEvent | undefined
  readonly signal?: AbortSignal | undefined
}

const backoff = exponential({ baseMs: 50, maxMs: 2_000 })

/**
 * Sends the same call again, with growing pauses, while it fails in a way that a resend may mend.
 *
 * Only for calls of the broker contract and for blobs: each of them may have been executed although its reply was lost.
 * Throws the last error once the deadline has passed, and any other error at once.
 */
export async function resend<T>(send: () => Promise<T>, options: ResendOptions): Promise<T> {
  const { call, clock, random, deadlineMs, onEvent, signal } = options
  const startedMs = clock.monotonic()
  for (let attempt = 1; ; attempt++) {
    try {
      return await send()
    } catch (thrown) {
      const error = toError(thrown)
      const delayMs = backoff(attempt, random)
      const tooLate = clock.monotonic() - startedMs + delayMs > deadlineMs
      if (!isRetryable(error) || tooLate || signal?.aborted) {
        onEvent?.({ kind: 'broker.failed', call, reason: error.message })
        throw error
      }
      onEvent?.({ kind: 'broker.retrying', call, reason: error.message, delayMs })
      await sleep(clock, delayMs, signal)
    }
  }
}

function isRetryable(error: Error): boolean {
  return isTqError(error) && error.retryable
}
