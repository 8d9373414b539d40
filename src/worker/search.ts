import type { ExchangeReply, Peek } from '../broker.ts'

/** A broker without hints is asked again after pauses that grow from the first to the second, times the workers that ask. */
const POLL_FIRST_MS = 50
const POLL_LAST_MS = 5_000

/** When a worker with free slots asks its broker for jobs. */
export interface Search {
  /** Whether the broker may have jobs for us: at the start, after a hint, when something falls due, while claims come back full. */
  isOn(nowMs: number): boolean
  /** When it is on again at the latest; the past while it is on. */
  readonly nextMs: number
  /** When a look at the broker is due that may spare an exchange; never where it has no such look. */
  readonly nextLookMs: number
  /** Of so many free slots, how many one lane asks for: all, but its share while jobs abound, so that another lane asks too. */
  wanted(free: number): number
  /** To be called with the exchange that asks for so many: a hint that comes while it is in flight counts. */
  asked(want: number, free: number): void
  answered(reply: ExchangeReply, want: number, nowMs: number): void
  /** To be called with a look that begins. */
  looking(): void
  looked(peek: Peek, nowMs: number): void
  /** Hints may have been missed: a look tells. */
  look(): void
  /** A hint, or a call that failed. */
  again(): void
}

export interface SearchOptions {
  /** How often an idle worker asks although no hint has come: once a lease, so that the leases of dead workers are seen. */
  readonly probeMs: number
  /** Whether the broker can be looked at for less than an exchange. */
  readonly canPeek: boolean
  readonly share: () => number
  readonly hasHints: () => boolean
  readonly random: () => number
}

export function createSearch({ probeMs, canPeek, share, hasHints, random }: SearchOptions): Search {
  let nextMs = Number.NEGATIVE_INFINITY
  let nextLookMs = Number.POSITIVE_INFINITY
  let abounds = false
  let pollMs = POLL_FIRST_MS
  let workers = 1

  function again(): void {
    nextMs = Number.NEGATIVE_INFINITY
  }

  const looks = () => canPeek && hasHints()

  /** Never in step with other workers, and never longer than the leases of dead ones last. */
  const pauseMs = () => Math.min(probeMs, pollMs * (0.5 + random()))

  /** Nothing is claimable before so long; a hint or a look may say otherwise. */
  function rest(inMs: number, nowMs: number): void {
    if (looks()) nextLookMs = Math.min(nextLookMs, nowMs + probeMs)
    const askMs = looks() ? Number.POSITIVE_INFINITY : hasHints() ? probeMs : pauseMs()
    nextMs = Math.min(nextMs, nowMs + Math.min(inMs, askMs))
  }

  return {
    isOn: (nowMs) => nextMs <= nowMs,
    get nextMs() {
      return nextMs
    },
    get nextLookMs() {
      return nextLookMs
    },
    wanted: (free) => (abounds ? Math.min(share(), free) : free),
    asked(want, free) {
      if (want > 0 && want === free) nextMs = nextLookMs = Number.POSITIVE_INFINITY
    },
    answered({ nowMs: brokerMs, nextAtMs, jobs, workers: counted }, want, nowMs) {
      workers = counted ?? workers
      if (jobs.length > 0) pollMs = POLL_FIRST_MS
      const inMs = msUntil(nextAtMs, brokerMs)
      abounds = jobs.length === want
      if (inMs <= 0 || abounds) return again()
      rest(inMs, nowMs)
      pollMs = Math.min(POLL_LAST_MS * workers, pollMs * 2)
    },
    looking() {
      nextLookMs = Number.POSITIVE_INFINITY
    },
    looked({ nowMs: brokerMs, nextAtMs }, nowMs) {
      const inMs = msUntil(nextAtMs, brokerMs)
      if (inMs <= 0) again()
      else rest(inMs, nowMs)
    },
    look() {
      if (looks()) nextLookMs = Number.NEGATIVE_INFINITY
      else again()
    },
    again,
  }
}

function msUntil(atMs: number | null, nowMs: number): number {
  return atMs === null ? Number.POSITIVE_INFINITY : atMs - nowMs
}
