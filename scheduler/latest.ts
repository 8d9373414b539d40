import type { Schedule } from '../src/schedule.ts'

/**
 * The latest due time at or before `nowMs` of a schedule that was due at `dueAtMs`.
 *
 * By bisection: after a month's outage a schedule of every second has missed millions, and `next` is called some 30 times.
 */
export function latestDue(next: Schedule['next'], dueAtMs: number, nowMs: number): number {
  let latestMs = dueAtMs
  let noneAfterMs = nowMs
  for (let probeMs = latestMs; latestMs < noneAfterMs; probeMs = Math.floor((latestMs + noneAfterMs) / 2)) {
    const foundMs = next(probeMs)
    if (foundMs !== null && foundMs <= nowMs) latestMs = foundMs
    else noneAfterMs = probeMs
  }
  return latestMs
}
