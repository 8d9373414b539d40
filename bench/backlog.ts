import { v7 } from 'uuid'
import type { Broker, ClaimedJob, Settlement } from '../src/broker.ts'
import type { Job } from '../src/job.ts'
import { median } from './stats.ts'
import { BATCH_JOBS, PAYLOAD, type Size, type Subject } from './subject.ts'

const CLAIMED_AT_ONCE = 100
const SMALL_BACKLOG = 1_000

/** A claim from a large backlog in claims from a small one: medians of exchanges that take turns. */
export async function measureBacklogRatio(subject: Subject, { backlog, claims }: Size): Promise<number> {
  const stores = [await subject.create(), await subject.create()] as const
  const [small, large] = stores
  await fill(small.broker, SMALL_BACKLOG)
  await fill(large.broker, backlog)
  const claimSmall = createLane(small.broker)
  const claimLarge = createLane(large.broker)
  const smallMs: number[] = []
  const largeMs: number[] = []
  for (let at = 0; at < claims; at += 2) {
    smallMs.push(await claimSmall())
    largeMs.push(await claimLarge(), await claimLarge())
    smallMs.push(await claimSmall())
  }
  for (const store of stores) await store.weighAndRemove()
  return median(largeMs) / median(smallMs)
}

async function fill(broker: Broker, count: number): Promise<void> {
  for (let left = count; left > 0; left -= BATCH_JOBS) await broker.enqueue(jobs(Math.min(left, BATCH_JOBS)))
}

function jobs(count: number): Job[] {
  const input = JSON.stringify(PAYLOAD)
  const createdAtMs = Date.now()
  return Array.from({ length: count }, () => ({
    id: v7(),
    task: 'noop',
    queue: 'default',
    input,
    priority: 0,
    createdAtMs,
  }))
}

/** Answers how long each further exchange takes that settles what the last one claimed; the backlog keeps its length. */
function createLane(broker: Broker): () => Promise<number> {
  const lane = v7()
  let seq = 0
  let settle: readonly Settlement[] = []
  return async () => {
    await broker.enqueue(jobs(CLAIMED_AT_ONCE))
    const startedMs = performance.now()
    const reply = await broker.exchange({
      lane,
      seq: ++seq,
      queues: ['default'],
      want: CLAIMED_AT_ONCE,
      takeLost: true,
      leaseMs: 600_000,
      settle,
      extend: [],
      waitMs: 0,
    })
    const tookMs = performance.now() - startedMs
    settle = reply.jobs.map(succeed)
    return tookMs
  }
}

function succeed({ id, epoch }: ClaimedJob): Settlement {
  return { kind: 'succeeded', id, epoch, result: '{"ok":true}', keepMs: 3_600_000 }
}
