import { createClient, createWorker } from '../src/index.ts'
import { perSecond } from './stats.ts'
import { app, BATCH_JOBS, type Concurrency, PAYLOAD, type Size, type Store } from './subject.ts'

type Producer = ReturnType<typeof createClient<typeof app>>

/** What one round measures, each in jobs a second. */
export type Throughput = Record<'batched' | 'concurrent' | 'sequential' | Concurrency, number>

/** One round on an empty store; the figures take turns at coming first, so that none always meets the same neighbours. */
export async function measureThroughput({ broker }: Store, size: Size, round: number): Promise<Throughput> {
  const tq = createClient<typeof app>({ broker })
  const steps: readonly (readonly [keyof Throughput, () => Promise<number>])[] = [
    ['sequential', () => perSecond(size.sequential, () => enqueueSequentially(tq, size.sequential))],
    ['concurrent', () => perSecond(size.concurrent, () => enqueueConcurrently(tq, size.concurrent))],
    ['batched', () => perSecond(size.batched, () => enqueueBatches(tq, size.batched))],
    ...(['1', '10', '100'] as const).map(
      (concurrency) => [concurrency, () => processed(tq, broker, concurrency, size.processed[concurrency])] as const,
    ),
  ]
  const found: Partial<Throughput> = {}
  for (let at = 0; at < steps.length; at++) {
    const [figure, run] = steps[(at + round) % steps.length] as (typeof steps)[number]
    found[figure] = await run()
    await drain(broker)
  }
  return found as Throughput
}

async function enqueueSequentially(tq: Producer, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await tq.enqueue('noop', PAYLOAD)
}

async function enqueueConcurrently(tq: Producer, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => tq.enqueue('noop', PAYLOAD)))
}

export async function enqueueBatches(tq: Producer, count: number): Promise<void> {
  for (let left = count; left > 0; left -= BATCH_JOBS)
    await tq.enqueueMany(
      Array.from({ length: Math.min(left, BATCH_JOBS) }, () => ({ task: 'noop' as const, input: PAYLOAD })),
    )
}

async function processed(tq: Producer, broker: Store['broker'], concurrency: Concurrency, count: number) {
  await enqueueBatches(tq, count)
  return perSecond(count, () => work(broker, Number(concurrency), count))
}

/** One worker of this process takes all that is there; its jobs' results are kept. */
async function work(broker: Store['broker'], concurrency: number, expected: number): Promise<void> {
  const { succeeded } = await createWorker({ app, broker, concurrency, burst: true }).run()
  if (succeeded !== expected) throw new Error(`expected ${expected} jobs to succeed, got ${succeeded}`)
}

/** Leaves nothing waiting, so that each figure starts alike. */
async function drain(broker: Store['broker']): Promise<void> {
  await createWorker({ app, broker, concurrency: 500, burst: true }).run()
}
