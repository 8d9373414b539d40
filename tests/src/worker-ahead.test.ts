import { expect, test } from 'bun:test'
import { defineTask, type Task } from 'tq-edge'
import type { ExchangeRequest } from '../../src/broker.ts'
import { createBench, createGate, LEASE_MS, type WorkerBench, withExchange } from '../support/worker-bench.ts'

const ROUND_TRIP_MS = 20
const CONCURRENCY = 10

interface FarBench extends WorkerBench {
  readonly requests: readonly ExchangeRequest[]
  /** How many jobs the handlers run now, and ran at most. */
  readonly running: { now: number; most: number }
  /** A task whose handler takes so long. */
  takes(name: string, ms: number): Task
  enqueueMany(task: string, count: number): Promise<readonly string[]>
}

/** A broker that is half a round trip away in each direction. */
function createFarBench({ local = false } = {}): FarBench {
  const requests: ExchangeRequest[] = []
  const running = { now: 0, most: 0 }
  const bench: WorkerBench = createBench((broker) => ({
    ...withExchange(broker, async (request, send) => {
      requests.push(request)
      await pass(ROUND_TRIP_MS / 2)
      const reply = await send()
      await pass(ROUND_TRIP_MS / 2)
      return reply
    }),
    local,
  }))
  const pass = (ms: number) => new Promise<void>((resolve) => void bench.clock.after(ms, resolve))
  return {
    ...bench,
    requests,
    running,
    takes: (name, ms) =>
      defineTask({
        name,
        async run() {
          running.most = Math.max(running.most, ++running.now)
          if (ms > 0) await pass(ms)
          running.now--
        },
      }),
    enqueueMany: (task, count) => Promise.all(Array.from({ length: count }, () => bench.enqueue(task))),
  }
}

const claimedAhead = ({ requests }: FarBench) => Math.max(...requests.map(({ ahead = 0 }) => ahead))
const succeededOf = (bench: FarBench) => bench.said('job.succeeded').length

test('a worker claims ahead what it finishes in one round trip, and runs no more at once for it', async () => {
  const bench = createFarBench()
  await bench.enqueueMany('quick', 900)
  const worker = bench.start([bench.takes('quick', 5)], { concurrency: CONCURRENCY, burst: true })
  await bench.clock.advance(1_000)
  expect((await worker.done).succeeded).toBe(900)
  expect(bench.running.most).toBe(CONCURRENCY)
  // 900 jobs of 5 ms on 10 slots; without claiming ahead each 10 take a round trip as well.
  expect(bench.requests.length).toBeLessThan(900 / CONCURRENCY)
})

test('it holds four times its concurrency at most', async () => {
  const bench = createFarBench()
  await bench.enqueueMany('instant', 2_000)
  const worker = bench.start([bench.takes('instant', 0)], { concurrency: CONCURRENCY, burst: true })
  await bench.clock.advance(2_000)
  expect((await worker.done).succeeded).toBe(2_000)
  const wanted = Math.max(...bench.requests.map(({ want }) => want))
  expect(wanted).toBeGreaterThan(CONCURRENCY)
  expect(wanted).toBeLessThanOrEqual(4 * CONCURRENCY)
  expect(claimedAhead(bench)).toBeLessThanOrEqual(3 * CONCURRENCY)
})

test('jobs that take long beside the round trip are not claimed ahead', async () => {
  const bench = createFarBench()
  await bench.enqueueMany('slow', 100)
  const worker = bench.start([bench.takes('slow', 5_000)], { concurrency: CONCURRENCY, burst: true })
  await bench.clock.advance(60_000)
  expect((await worker.done).succeeded).toBe(100)
  expect(claimedAhead(bench)).toBe(0)
})

test('a broker that says that a call to it is no round trip is not claimed from ahead', async () => {
  const bench = createFarBench({ local: true })
  await bench.enqueueMany('instant', 200)
  const worker = bench.start([bench.takes('instant', 0)], { concurrency: CONCURRENCY, burst: true })
  await bench.clock.advance(1_000)
  expect((await worker.done).succeeded).toBe(200)
  expect(claimedAhead(bench)).toBe(0)
})

/** A worker that has claimed ahead by the time the jobs it runs take long. */
async function stuckWorker(bench: FarBench) {
  const gate = createGate()
  const long = defineTask({ name: 'long', run: () => gate.pass() })
  await bench.enqueueMany('instant', 400)
  await bench.enqueueMany('long', 100)
  const worker = bench.start([bench.takes('instant', 0), long], { concurrency: CONCURRENCY })
  while (gate.waiting < CONCURRENCY || bench.requests.length === 0) await bench.clock.advance(ROUND_TRIP_MS)
  await bench.clock.advance(2 * ROUND_TRIP_MS)
  const active = (await bench.broker.list({ states: ['active'], limit: 1_000 })).jobs.map(({ id }) => id)
  expect(active.length).toBeGreaterThan(CONCURRENCY)
  return { gate, worker, active }
}

test('what was claimed ahead goes back, uncounted, when the jobs before it take long', async () => {
  const bench = createFarBench()
  const { gate, worker, active } = await stuckWorker(bench)
  const stock = active.length - CONCURRENCY
  await bench.clock.advance(LEASE_MS / 30 + ROUND_TRIP_MS)
  expect(bench.said('job.released').length).toBe(stock)
  const waiting = (await bench.broker.list({ states: ['queued'], limit: 1_000 })).jobs
  expect([waiting.length, waiting.every(({ lost, attempts }) => lost + attempts === 0)]).toEqual([90, true])
  worker.stop({ graceMs: 0 })
  await bench.clock.advance(ROUND_TRIP_MS)
  gate.open()
  await worker.done
})

test('a worker that is stopped gives back at once what it has not started, and lets the rest finish', async () => {
  const bench = createFarBench()
  const { gate, worker, active } = await stuckWorker(bench)
  worker.stop()
  await bench.clock.advance(ROUND_TRIP_MS)
  expect((await bench.broker.list({ states: ['active'], limit: 1_000 })).jobs.length).toBe(CONCURRENCY)
  gate.open()
  await bench.clock.advance(2 * ROUND_TRIP_MS)
  const { succeeded, released } = await worker.done
  expect([succeeded, released]).toEqual([400 + CONCURRENCY, active.length - CONCURRENCY])
  expect(succeededOf(bench)).toBe(succeeded)
})

test('a job that was claimed ahead and is cancelled before its start never runs', async () => {
  const bench = createFarBench()
  const { gate, worker, active } = await stuckWorker(bench)
  const started = () => new Set(bench.said('job.started').map(({ id }) => id))
  const [waiting = ''] = active.filter((id) => !started().has(id))
  expect(await bench.broker.cancel([waiting])).toEqual(['asked'])
  await bench.clock.advance(LEASE_MS / 30 + ROUND_TRIP_MS)
  expect((await bench.read(waiting)).state).toBe('cancelled')
  worker.stop({ graceMs: 0 })
  await bench.clock.advance(ROUND_TRIP_MS)
  gate.open()
  await worker.done
  expect(started().has(waiting)).toBe(false)
})

test('a worker that has run its last jobs waits for the next, whatever its lanes had asked for', async () => {
  const bench = createFarBench()
  const worker = bench.start([bench.takes('instant', 0)], { concurrency: CONCURRENCY })
  await bench.clock.advance(1_000)
  let enqueued = 0
  const left: number[] = []
  for (let burst = 100; burst < 120; burst++) {
    enqueued += (await bench.enqueueMany('instant', burst)).length
    await bench.clock.advance(1_000)
    left.push(enqueued - succeededOf(bench))
  }
  expect(left).toEqual(left.map(() => 0))
  worker.stop()
  await bench.clock.advance(ROUND_TRIP_MS)
  await worker.done
})
