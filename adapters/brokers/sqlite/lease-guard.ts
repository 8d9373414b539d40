import type { Clock } from '../../../src/clock.ts'

/** A difference between the clocks that grows by more than this is a step, not drift. */
const STEP_MS = 5_000

/**
 * Says whether leases that look expired may be taken away.
 *
 * SQLite has no clock of its own. After the host's clock has stepped (NTP, a suspended machine) every lease may look
 * expired although its holder lives; for one lease's time nothing is reclaimed, in which live holders extend.
 */
export function createLeaseGuard(clock: Clock): (leaseMs: number) => boolean {
  let offsetMs = clock.now() - clock.monotonic()
  let holdUntilMs = Number.NEGATIVE_INFINITY
  return (leaseMs) => {
    const monotonicMs = clock.monotonic()
    const currentMs = clock.now() - monotonicMs
    if (Math.abs(currentMs - offsetMs) > STEP_MS) {
      offsetMs = currentMs
      holdUntilMs = monotonicMs + leaseMs
    }
    return monotonicMs >= holdUntilMs
  }
}
