/**
 * What both sides of the comparison of firing can do, each in a process of its own: `tq.ts` here and `schedulers.ts` beside BullMQ serve
 * it, `compare.ts` calls it.
 *
 * @module
 */
import { jitterOf } from '../../scheduler/bounds.ts'
import { wallMs } from '../redis/contender.ts'
import { answer, tookMs } from '../redis/driver.ts'
import { quantile } from '../stats.ts'

export interface Firing {
  /**
   * Stores so many schedules of one second each and starts what fires them and runs their jobs. Their due times are spread over so long,
   * on both sides alike. `picked` is called where a job's handler starts.
   */
  start(schedules: number, jitterMs: number, picked: (schedule: string, dueAtMs: number) => void): Promise<void>
  stop(): Promise<void>
}

/** What a side can be asked for; of ticks that were due from one moment up to another. */
export type FiringCalls = {
  start: [schedules: number, jitterMs: number]
  /** How many different ones were run. */
  ticks: [fromMs: number, toMs: number]
  /** How many were run again. */
  again: [fromMs: number, toMs: number]
  /** How late their handlers were started, at that quantile. */
  late: [fromMs: number, toMs: number, share: number]
  clock: []
  close: []
}

export const EVERY_MS = 1_000

/** When a schedule is due within its second. */
export function phaseOf(name: string, jitterMs: number): number {
  return jitterOf(name, { jitterMs })
}

interface Picked {
  readonly schedule: string
  readonly dueAtMs: number
  readonly lateMs: number
}

export function serveFiring(firing: Firing): void {
  const picks: Picked[] = []
  const dueIn = (fromMs: number, toMs: number) => picks.filter(({ dueAtMs }) => dueAtMs >= fromMs && dueAtMs < toMs)
  const ticksIn = (fromMs: number, toMs: number) =>
    new Set(dueIn(fromMs, toMs).map(({ schedule, dueAtMs }) => `${schedule} ${dueAtMs}`)).size
  answer<FiringCalls>({
    start: (schedules, jitterMs) =>
      tookMs(() =>
        firing.start(schedules, jitterMs, (schedule, dueAtMs) =>
          picks.push({ schedule, dueAtMs, lateMs: Date.now() - dueAtMs }),
        ),
      ),
    ticks: async (fromMs, toMs) => ticksIn(fromMs, toMs),
    again: async (fromMs, toMs) => dueIn(fromMs, toMs).length - ticksIn(fromMs, toMs),
    late: async (fromMs, toMs, share) =>
      quantile(
        dueIn(fromMs, toMs).map(({ lateMs }) => lateMs),
        share,
      ),
    clock: async () => wallMs(),
    close: () => tookMs(() => firing.stop()),
  })
}
