/** Where time comes from. Logic takes one as an argument; only the outermost call uses `systemClock`. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. It may step. */
  now(): number
  /** Milliseconds since some fixed moment. It never steps. */
  monotonic(): number
  /** Calls `run` once, `delayMs` from now, and returns what cancels it. */
  after(delayMs: number, run: () => void): () => void
}

/** The longest delay a platform timer takes (2^31 - 1 ms, some 24 days); a longer one would fire at once. */
const MAX_TIMER_MS = 2_147_483_647

/** A hundred years: what is longer is for ever, and would leave the range of times that brokers keep. */
export const FOREVER_MS = 3_155_760_000_000

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    let timer: ReturnType<typeof setTimeout>
    const arm = (leftMs: number) => {
      timer =
        leftMs > MAX_TIMER_MS
          ? setTimeout(() => arm(leftMs - MAX_TIMER_MS), MAX_TIMER_MS)
          : setTimeout(run, Math.max(0, leftMs))
    }
    arm(delayMs)
    return () => clearTimeout(timer)
  },
}

/** Resolves after `delayMs`, or at once when `signal` aborts; never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}
