import { deploySchedules } from '../../scheduler/index.ts'
import { type AppShape, toApp } from './app.ts'
import { startBeat } from './process.ts'
import type { BeatStore } from './stores.ts'
import { expectEachOnce, expectStored } from './ticks.ts'

const EVERY_MS = 60_000
const LOOK_MS = 50
/** So long before a minute ends it is waited for: none is to begin meanwhile, with ticks that nobody has missed. */
const CLEAR_MS = 20_000
/** Longer than that is no catching up. */
const PATIENCE_MS = 120_000

/**
 * Ticks a second that `tq beat` fires after an outage: schedules of every minute, each of which is to have a job for every one that it has
 * missed. From when the process says that it runs, its deploy included, until the last of them is known to be stored.
 */
export async function measureCatchUp(store: BeatStore, schedules: number, missed: number): Promise<number> {
  const shape: AppShape = { schedules, everyMs: EVERY_MS, jitterMs: 0, catchUp: 'all' }
  const leftMs = EVERY_MS - (Date.now() % EVERY_MS)
  if (leftMs < CLEAR_MS) await Bun.sleep(leftMs)
  await deployBefore(store, shape, missed * EVERY_MS)
  const beat = await startBeat(store, shape)
  const count = schedules * missed
  while (beat.fired.length < count && Date.now() < beat.startedAtMs + PATIENCE_MS) await Bun.sleep(LOOK_MS)
  await beat.stop()
  expectEachOnce(beat.fired, count)
  await expectStored(store, count)
  const tookMs = (beat.fired.at(-1)?.atMs ?? 0) - beat.startedAtMs
  return Math.round((count / tookMs) * 1_000)
}

/** Stores them as they were so long ago, with nothing fired since. */
async function deployBefore(store: BeatStore, shape: AppShape, beforeMs: number): Promise<void> {
  const broker = store.open(beforeMs)
  const { set } = await deploySchedules({ app: toApp(shape), broker, stampMs: 0 })
  await broker.close()
  if (set !== shape.schedules) throw new Error(`expected ${shape.schedules} schedules to be stored, got ${set}`)
}
