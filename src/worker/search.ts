import type { ExchangeReply } from '../broker.ts'

/** A broker without hints is asked again after pauses that grow from the first to the second. */
const POLL_FIRST_MS = 50
const POLL_LAST_MS = 5_000

/** When a worker with free slots asks its broker for jobs. */
export interface Search {
  /** Whether the broker may have jobs for us: at the start, after a hint, when something falls due, while claims come back full. */
  isOn(nowMs: number): boolean
  /** When it is on again at the latest; the past while it is on. */
  readonly nextMs: number
  /** Of so many free slots, how many one lane asks for: all, but its share while jobs abound, so that another lane asks too. */
  wanted(free: number): number
  /** To be called with the exchange that asks for so many: a hint that comes while it is in flight counts. */
  asked(want: number, free: number): void
  answered(reply: ExchangeReply, want: number, nowMs: number): void
  /** A hint, or an exchange that failed. */
  again(): void
}

export interface SearchOptions {
  /** How often an idle worker asks although no hint has come: once a lease, so that the leases of dead workers are seen. */
  readonly probeMs: number
  readonly share: number
  readonly hasHints: () => boolean
}

export function createSearch({ probeMs, share, hasHints }: SearchOptions): Search {
  let nextMs = Number.NEGATIVE_INFINITY
  let abounds = false
  let pollMs = POLL_FIRST_MS

  function again(): void {
    nextMs = Number.NEGATIVE_INFINITY
  }

  return {
    isOn: (nowMs) => nextMs <= nowMs,
    get nextMs() {
      return nextMs
    },
    wanted: (free) => (abounds ? Math.min(share, free) : free),
    asked(want, free) {
      if (want > 0 && want === free) nextMs = Number.POSITIVE_INFINITY
    },
    answered({ nowMs: brokerMs, nextAtMs, jobs }, want, nowMs) {
      if (jobs.length > 0) pollMs = POLL_FIRST_MS
      const inMs = nextAtMs === null ? Number.POSITIVE_INFINITY : nextAtMs - brokerMs
      abounds = jobs.length === want
      if (inMs <= 0 || abounds) return again()
      nextMs = Math.min(nextMs, nowMs + Math.min(inMs, hasHints() ? probeMs : pollMs))
      pollMs = Math.min(POLL_LAST_MS, pollMs * 2)
    },
    again,
  }
}
