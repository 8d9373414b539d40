import type { Clock } from '../../../src/clock.ts'

/** A difference between the clocks that grows by more than this is a step, not drift. */
const STEP_MS = 5_000

/**
 * Says for how long leases that look expired may not be taken away yet; 0 when they may.
 *
 * SQLite has no clock of its own. After the host's clock has stepped (NTP, a suspended machine) every lease may look
 * expired although its holder lives; for one lease's time nothing is reclaimed, in which live holders extend. They do so
 * within a third of it, and that is how long a process that opens the database just after a step, and so has not seen it,
 * can take a live one's job: it runs twice, and is settled once.
 */
export function createLeaseGuard(clock: Clock): (leaseMs: number) => number {
  let offsetMs = clock.now() - clock.monotonic()
  let holdUntilMs = Number.NEGATIVE_INFINITY
  return (leaseMs) => {
    const monotonicMs = clock.monotonic()
    const currentMs = clock.now() - monotonicMs
    if (Math.abs(currentMs - offsetMs) > STEP_MS) {
      offsetMs = currentMs
      holdUntilMs = monotonicMs + leaseMs
    }
    return Math.max(0, holdUntilMs - monotonicMs)
  }
}
