import { median, quantile, rounded } from '../stats.ts'
import { startBeat } from './process.ts'
import type { BeatStore } from './stores.ts'
import { expectEachOnce, expectStored } from './ticks.ts'

const SCHEDULES = 100
const EVERY_MS = 1_000
/** What a process does in its first seconds only is not what it does all day. */
const WARMED_UP_MS = 2_000
/** By then the last of what was due has been told. */
const SETTLED_MS = 1_000

export interface Lateness {
  readonly p50: number
  readonly p99: number
  readonly ticks: number
}

/**
 * How much later than it was due a tick's job is known to be stored, at 100 ticks a second: 100 schedules of every second, spread over the
 * second by their jitter as in an app that means to spread them. That is the hard case: hardly two of them are due together.
 */
export async function measureLateness(store: BeatStore, forMs: number): Promise<Lateness> {
  const beat = await startBeat(store, {
    schedules: SCHEDULES,
    everyMs: EVERY_MS,
    jitterMs: EVERY_MS - 1,
    catchUp: 'latest',
  })
  const fromMs = Date.now() + WARMED_UP_MS
  await Bun.sleep(WARMED_UP_MS + forMs + SETTLED_MS)
  await beat.stop()
  const ticks = beat.fired.filter(({ dueAtMs }) => dueAtMs >= fromMs && dueAtMs < fromMs + forMs)
  expectEachOnce(ticks, (SCHEDULES * forMs) / EVERY_MS)
  await expectStored(store, beat.fired.length)
  const lateMs = ticks.map(({ atMs, dueAtMs }) => atMs - dueAtMs)
  return { p50: rounded(median(lateMs)), p99: rounded(quantile(lateMs, 0.99)), ticks: ticks.length }
}
