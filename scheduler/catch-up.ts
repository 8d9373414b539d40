/** What becomes of ticks that nobody was there to fire. */
import { InvalidOption } from '../src/errors.ts'
import type { CatchUp, Schedule } from '../src/schedule.ts'
import { checkWhole } from '../src/whole.ts'
import { dueAfter } from './due-after.ts'

export interface CatchUpOptions {
  /**
   * Which due times are fired that were missed, when no beat ran: `latest`, one job for all of them, whatever their age; `skip`, none,
   * but for one that is no more than 90 s late; `all`, one job each, as `{ maxAgeMs: 86_400_000, maxRuns: 1_000 }`: the newest 1,000
   * of the last day. Default `latest`.
   */
  readonly catchUp?: 'skip' | 'latest' | 'all' | Partial<CatchUp> | undefined
}

const MAX_RUNS = 1_000
const MAX_AGE_MS = 366 * 86_400_000
const ALL: CatchUp = { maxAgeMs: 86_400_000, maxRuns: MAX_RUNS }
/** A pass by a trigger of every minute that comes late is in time. */
export const SKIP: CatchUp = { maxAgeMs: 90_000, maxRuns: 1 }

/** As data; nothing for the default. Throws `InvalidOption` for what cannot be. */
export function toCatchUp(name: string, given: CatchUpOptions['catchUp'] = 'latest'): CatchUp | undefined {
  if (given === 'latest') return undefined
  if (given === 'skip') return SKIP
  if (given === 'all') return ALL
  if (typeof given !== 'object' || given === null)
    throw new InvalidOption(
      `catchUp of "${name}"`,
      '"skip", "latest", "all" or { maxAgeMs, maxRuns }',
      JSON.stringify(given),
    )
  const { maxAgeMs = ALL.maxAgeMs, maxRuns = ALL.maxRuns } = given
  checkWhole(`maxAgeMs of catchUp of "${name}"`, maxAgeMs, 1_000, MAX_AGE_MS)
  checkWhole(`maxRuns of catchUp of "${name}"`, maxRuns, 1, MAX_RUNS)
  return { maxAgeMs, maxRuns }
}

/** Where a schedule goes on that was due at `dueAtMs`: the first due time that is not left out, or the first after now. */
export function resumesAt(
  next: Schedule['next'],
  dueAtMs: number,
  nowMs: number,
  { maxAgeMs, maxRuns }: CatchUp,
): number | null {
  const oldestMs = nowMs - maxAgeMs
  const newest = newestDue(next, Math.max(dueAtMs, oldestMs - 1), nowMs, maxRuns)
  if (dueAtMs >= oldestMs && newest.length < maxRuns) return dueAtMs
  return newest[0] ?? next(nowMs)
}

/** The newest due times after `afterMs` and up to `nowMs`: by steps back that double, since a schedule of every second may have missed millions. */
function newestDue(next: Schedule['next'], afterMs: number, nowMs: number, count: number): number[] {
  const dueFrom = (fromMs: number) => dueAfter(next, fromMs, nowMs, 2 * count + 1)
  let found = dueFrom(afterMs)
  // After the one there are too many, after the other too few.
  let [earlyMs, lateMs] = [afterMs, nowMs]
  for (let backMs = 1_000; found.length > 2 * count && lateMs - earlyMs > 1; backMs *= 2) {
    const fromMs = Math.max(lateMs - backMs, Math.floor((earlyMs + lateMs) / 2))
    const due = dueFrom(fromMs)
    if (due.length < count) lateMs = fromMs
    else found = due
    if (due.length > 2 * count) earlyMs = fromMs
  }
  return found.slice(-count)
}
