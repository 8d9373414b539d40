/** An idle worker on a broker that can be looked at: it looks, and exchanges only when the look says so. */
import { expect, test } from 'bun:test'
import { defineTask, type Task } from 'tq-edge'
import type { Broker, Peek, PeekRequest } from '../../src/broker.ts'
import { BrokerUnavailable } from '../../src/errors.ts'
import { settled } from '../support/clock.ts'
import { createBench, createGate, LEASE_MS, type WorkerBench } from '../support/worker-bench.ts'

interface Watched {
  readonly bench: WorkerBench
  readonly looks: PeekRequest[]
  readonly exchanges: () => number
  /** What the next looks answer; `null` when nothing is in sight. */
  inSight: () => number | null
  hint(kind?: 'look'): void
}

/** SQLite in memory with a look, and with hints that come only when the test gives them. */
function watch(): Watched {
  const looks: PeekRequest[] = []
  const listeners = new Set<(kind?: 'look') => void>()
  let exchanges = 0
  const wrap = (broker: Broker): Broker => ({
    ...broker,
    exchange(request) {
      exchanges++
      return broker.exchange(request)
    },
    async peek(request): Promise<Peek> {
      looks.push(request)
      return { nowMs: bench.clock.now(), nextAtMs: watched.inSight() }
    },
    wake: {
      async listen(_waiter, onHint) {
        listeners.add(onHint)
        return () => listeners.delete(onHint)
      },
    },
  })
  const bench = createBench(wrap)
  const watched: Watched = {
    bench,
    looks,
    exchanges: () => exchanges,
    inSight: () => null,
    hint(kind) {
      for (const listener of listeners) listener(kind)
    },
  }
  return watched
}

const nothing = defineTask({ name: 'nothing', run() {} })

async function idle(watched: Watched, tasks: readonly Task[] = [nothing]) {
  const worker = watched.bench.start(tasks)
  await settled()
  return {
    async stop() {
      worker.stop()
      return worker.done
    },
  }
}

test('an idle worker looks once a lease and exchanges nothing', async () => {
  const watched = watch()
  const worker = await idle(watched)
  const before = watched.exchanges()
  await watched.bench.clock.advance(20 * LEASE_MS)
  expect(watched.looks).toHaveLength(20)
  expect(watched.exchanges() - before).toBe(0)
  await worker.stop()
})

test('an idle worker goes on saying that it is there, but not with every look', async () => {
  const watched = watch()
  const worker = await idle(watched)
  await watched.bench.clock.advance(10 * LEASE_MS)
  const said = watched.looks.flatMap(({ presence }, at) => (presence ? [at + 1] : []))
  expect(said).toEqual([3, 6, 9])
  expect(watched.looks[2]?.presence?.queues).toEqual(['default'])
  await worker.stop()
})

test('a job whose hint was missed is found by the next look', async () => {
  const watched = watch()
  const worker = await idle(watched)
  const id = await watched.bench.enqueue('nothing')
  watched.inSight = () => watched.bench.clock.now()
  await watched.bench.clock.advance(LEASE_MS - 1)
  expect((await watched.bench.read(id)).state).toBe('queued')
  await watched.bench.clock.advance(1)
  await watched.bench.reaches(id, 'succeeded')
  await worker.stop()
})

test('a worker sleeps until what a look has seen, and then exchanges', async () => {
  const watched = watch()
  const worker = await idle(watched)
  const leaseEndsMs = watched.bench.clock.now() + LEASE_MS + 700
  watched.inSight = () => leaseEndsMs
  const before = watched.exchanges()
  await watched.bench.clock.advance(LEASE_MS + 699)
  expect(watched.exchanges() - before).toBe(0)
  await watched.bench.clock.advance(1)
  expect(watched.exchanges() - before).toBe(1)
  await worker.stop()
})

test('where hints may have been missed a worker looks at once; where one has come it exchanges', async () => {
  const watched = watch()
  const worker = await idle(watched)
  const before = watched.exchanges()
  watched.hint('look')
  await settled()
  expect([watched.looks.length, watched.exchanges() - before]).toEqual([1, 0])
  watched.hint()
  await settled()
  expect([watched.looks.length, watched.exchanges() - before]).toEqual([1, 1])
  await worker.stop()
})

test('a look too hopeful costs one exchange a look, not a loop', async () => {
  const watched = watch()
  const worker = await idle(watched)
  watched.inSight = () => 0
  const before = watched.exchanges()
  await watched.bench.clock.advance(10 * LEASE_MS)
  expect(watched.exchanges() - before).toBe(10)
  await worker.stop()
})

test('a look that fails is sent again, and a worker whose looks all fail exchanges', async () => {
  const watched = watch()
  const worker = await idle(watched)
  const before = watched.exchanges()
  watched.inSight = () => {
    throw new BrokerUnavailable('test', 'nothing')
  }
  await watched.bench.clock.advance(2 * LEASE_MS)
  expect(watched.bench.said('broker.retrying').every(({ call }) => call === 'peek')).toBe(true)
  expect(watched.looks.length).toBeGreaterThan(5)
  expect(watched.exchanges() - before).toBe(1)
  await worker.stop()
})

test('a worker that runs jobs extends their leases and does not look beside that', async () => {
  const watched = watch()
  const gate = createGate()
  await watched.bench.enqueue('held')
  const worker = await idle(watched, [defineTask({ name: 'held', run: () => gate.pass() })])
  await watched.bench.clock.advance(10 * LEASE_MS)
  expect(watched.looks).toEqual([])
  gate.open()
  expect((await worker.stop()).succeeded).toBe(1)
})
