/** What is finished waits for a lane that is free, and then for the reply: a round trip each at most. */
const ROUND_TRIPS = 2
/** Of how many times its concurrency a worker holds jobs at most, running and claimed ahead. */
const MAX_HELD = 4

/**
 * How many jobs a worker claims beyond its free slots: as many as it finishes until others come in their place, so that its slots
 * do not run empty while an exchange is on its way. None where jobs are long or few beside the round trip: others may be free
 * to start them.
 */
export interface Ahead {
  readonly jobs: number
  /** A job has come to an end. */
  finished(): void
  /** An exchange was answered. */
  answered(sentAtMs: number, nowMs: number): void
  /** What was claimed ahead has waited too long: starts anew. */
  reset(): void
}

export function createAhead(concurrency: number): Ahead {
  let jobs = 0
  let finished = 0
  let answeredAtMs = Number.NEGATIVE_INFINITY
  return {
    get jobs() {
      return Math.min(Math.floor(jobs), (MAX_HELD - 1) * concurrency)
    },
    finished() {
      finished++
    },
    answered(sentAtMs, nowMs) {
      const perMs = finished / Math.max(1, nowMs - answeredAtMs)
      // Down by halves: a lull of one exchange is no change of pace.
      jobs = Math.max(perMs * (nowMs - sentAtMs) * ROUND_TRIPS, jobs / 2)
      finished = 0
      answeredAtMs = nowMs
    },
    reset() {
      jobs = 0
    },
  }
}
