import type { BeatStore } from './stores.ts'

interface Due {
  readonly schedule: string
  readonly dueAtMs: number
}

/** Throws unless these are so many different ticks: a figure of less work than was meant is none. */
export function expectEachOnce(ticks: readonly Due[], count: number): void {
  const distinct = new Set(ticks.map(({ schedule, dueAtMs }) => `${schedule} ${dueAtMs}`)).size
  if (distinct !== count || ticks.length !== count)
    throw new Error(`expected ${count} ticks to be fired once, got ${ticks.length} of which ${distinct} differ`)
}

/** Throws unless the store holds a job for each of so many ticks, whatever their beat has said. */
export async function expectStored(store: BeatStore, count: number): Promise<void> {
  const broker = store.open(0)
  const { queues } = await broker.stats()
  await broker.close()
  const stored = queues.reduce((sum, { counts }) => sum + (counts.queued ?? 0), 0)
  if (stored !== count) throw new Error(`expected ${count} jobs in the store, got ${stored}`)
}
