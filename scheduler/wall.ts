/**
 * What becomes of wall times when the clocks are changed: the two rules of `docs/schedules.md`.
 *
 * A calendar knows nothing of zones: it says which wall time comes next after another.
 *
 * @module
 */
import { changeBetween, DAY_MS, type OffsetAt } from './zone.ts'

/** The first wall time of a pattern after another one; null when there is none. */
export type Calendar = (wallMs: number) => number | null

type Next = (afterMs: number) => number | null

/**
 * Each wall time once: the first of two, and what is skipped together at the end of the gap.
 *
 * A wall time is due as soon as the clocks show it or a later one, so it is not yet due as long as it is after the latest
 * that they have shown. Both are monotonic: nothing is left out or comes twice.
 */
export function onceEach(calendar: Calendar, offsetAt: OffsetAt): Next {
  return (afterMs) => {
    const wallMs = calendar(latestShown(offsetAt, afterMs))
    return wallMs === null ? null : firstShown(offsetAt, wallMs)
  }
}

/** More than the clocks show now where they were put back less than a day ago. */
function latestShown(offsetAt: OffsetAt, atMs: number): number {
  const changeMs = changeBetween(offsetAt, atMs - DAY_MS, atMs)
  const shownMs = atMs + offsetAt(atMs)
  return changeMs === null ? shownMs : Math.max(shownMs, changeMs - 1 + offsetAt(changeMs - 1))
}

/** When the clocks first show the wall time or a later one. */
export function firstShown(offsetAt: OffsetAt, wallMs: number): number {
  const [dayBeforeMs, dayAfterMs] = [wallMs - DAY_MS, wallMs + DAY_MS]
  const changeMs = changeBetween(offsetAt, dayBeforeMs, dayAfterMs) ?? dayAfterMs
  const byOldMs = wallMs - offsetAt(dayBeforeMs)
  return byOldMs < changeMs ? byOldMs : Math.max(changeMs, wallMs - offsetAt(dayAfterMs))
}

/** Every moment at which the clocks show a wall time of the calendar: what is skipped never, what comes twice twice. */
export function wheneverShown(calendar: Calendar, offsetAt: OffsetAt): Next {
  return (afterMs) => {
    for (let fromMs = afterMs + 1; ; ) {
      const offsetMs = offsetAt(fromMs)
      const wallMs = calendar(fromMs - 1 + offsetMs)
      const dueAtMs = wallMs === null ? null : wallMs - offsetMs
      const changeMs = changeBetween(offsetAt, fromMs, fromMs + DAY_MS)
      if (dueAtMs !== null && dueAtMs < (changeMs ?? fromMs + DAY_MS + 1)) return dueAtMs
      if (changeMs !== null) fromMs = changeMs
      else if (dueAtMs !== null) fromMs = dueAtMs - DAY_MS
      else return null
    }
  }
}
