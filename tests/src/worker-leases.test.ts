import { expect, test } from 'bun:test'
import { BrokerUnavailable, defineTask } from 'tq-edge'
import type { Broker, ClaimedJob, ExchangeReply } from '../../src/broker.ts'
import { settled } from '../support/clock.ts'
import { flaky } from '../support/flaky-broker.ts'
import { seededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { createBench, createGate, LEASE_MS, withExchange } from '../support/worker-bench.ts'

function heldTask(given: { timeoutMs?: number } = {}) {
  const gate = createGate()
  const signals: AbortSignal[] = []
  const task = defineTask({
    name: 'held',
    ...given,
    run(_input, job) {
      signals.push(job.signal)
      return gate.pass()
    },
  })
  return { gate, signals, task }
}

/** A worker that claims a job and is gone. */
function loseLease(broker: Broker, round: number): Promise<ExchangeReply> {
  return broker.exchange({
    ...NOTHING,
    lane: `dead.${round}.0`,
    seq: 1,
    want: 1,
  })
}

const NOTHING = {
  queues: ['default'],
  want: 0,
  takeLost: true,
  leaseMs: LEASE_MS,
  settle: [],
  extend: [],
  waitMs: 0,
} as const

function release(broker: Broker, { id, epoch }: ClaimedJob): Promise<ExchangeReply> {
  const settle = [{ kind: 'released', id, epoch, delayMs: 0 } as const]
  return broker.exchange({ ...NOTHING, lane: `release.${id}`, seq: 1, settle })
}

test('a job that takes longer than its lease stays its worker’s', async () => {
  const bench = createBench()
  const { gate, task } = heldTask()
  const id = await bench.enqueue('held')
  const [holder, other] = [bench.start([task]), bench.start([task])]
  await until('the job to run', () => gate.waiting === 1)
  await bench.clock.advance(20 * LEASE_MS)
  expect(gate.waiting).toBe(1)
  gate.open()
  const { lost, attempts } = await bench.reaches(id, 'succeeded')
  expect([lost, attempts]).toEqual([0, 1])
  for (const worker of [holder, other]) worker.stop()
  expect((await holder.done).succeeded + (await other.done).succeeded).toBe(1)
})

const polite = defineTask({
  name: 'polite',
  run: (_, job) =>
    new Promise((_resolve, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
})

test('a job whose cancellation is asked for hears of it at once, and is cancelled', async () => {
  const bench = createBench()
  const ids = [await bench.enqueue('polite'), await bench.enqueue('polite')]
  const worker = bench.start([polite])
  for (const id of ids) await bench.reaches(id, 'active')
  expect(await bench.broker.cancel([ids[1] ?? ''])).toEqual(['asked'])
  await bench.reaches(ids[1] ?? '', 'cancelled')
  expect((await bench.read(ids[0] ?? '')).state).toBe('active')
  await bench.broker.cancel(ids)
  worker.stop()
  expect((await worker.done).cancelled).toBe(2)
})

test('where no hints arrive it hears of it with the next extension', async () => {
  const bench = createBench(({ wake: _, ...broker }) => broker)
  const id = await bench.enqueue('polite')
  const worker = bench.start([polite])
  await bench.reaches(id, 'active')
  expect(await bench.broker.cancel([id])).toEqual(['asked'])
  await bench.clock.advance(LEASE_MS / 3)
  await bench.reaches(id, 'cancelled')
  worker.stop()
  expect((await worker.done).cancelled).toBe(1)
})

test('a handler that finishes although it was cancelled has finished', async () => {
  const bench = createBench()
  const { gate, signals, task } = heldTask()
  const id = await bench.enqueue('held')
  const worker = bench.start([task])
  await until('the job to run', () => gate.waiting === 1)
  await bench.broker.cancel([id])
  await bench.clock.advance(LEASE_MS / 3)
  expect(signals[0]?.reason).toMatchObject({ name: 'JobAborted', reason: 'cancelled' })
  gate.open()
  await bench.reaches(id, 'succeeded')
  worker.stop()
  await worker.done
})

test('a dead worker’s job is done by an idle one the moment its lease is over', async () => {
  const bench = createBench()
  const id = await bench.enqueue('held')
  const { gate, task } = heldTask()
  await loseLease(bench.broker, 1)
  const worker = bench.start([task])
  await bench.clock.advance(LEASE_MS - 1)
  expect(gate.waiting).toBe(0)
  await bench.clock.advance(1)
  await until('the job to run', () => gate.waiting === 1)
  gate.open()
  expect((await bench.reaches(id, 'succeeded')).lost).toBe(1)
  worker.stop()
  await worker.done
})

test('a lease that was taken away aborts the job, and what it ends with is dropped', async () => {
  let cut = false
  const bench = createBench((broker) =>
    withExchange(broker, (_request, send) => (cut ? Promise.reject(new BrokerUnavailable('test', 'no line')) : send())),
  )
  const { gate, signals, task } = heldTask()
  const id = await bench.enqueue('held')
  const worker = bench.start([task])
  await until('the job to run', () => gate.waiting === 1)
  cut = true
  await bench.clock.advance(LEASE_MS)
  await loseLease(bench.broker, 1)
  cut = false
  await bench.clock.advance(LEASE_MS / 3)
  expect(signals[0]?.reason).toMatchObject({ name: 'JobAborted', reason: 'lease lost' })
  gate.open()
  await settled()
  expect((await bench.read(id)).state).toBe('active')
  worker.stop({ graceMs: 0 })
  await worker.done
})

test('a job that this very worker has claimed again is not aborted by the loss of its earlier lease', async () => {
  const line = Promise.withResolvers<void>()
  let stuck: string | undefined
  const bench = createBench((broker) =>
    withExchange(broker, async (request, send) => {
      if (request.extend.length > 0) stuck ??= request.lane
      if (request.lane === stuck) await line.promise
      return send()
    }),
  )
  const { gate, signals, task } = heldTask()
  const others = createGate()
  const id = await bench.enqueue('held')
  for (let at = 0; at < 5; at++) await bench.enqueue('other')
  const worker = bench.start([task, defineTask({ name: 'other', run: () => others.pass() })])
  await until('all jobs to run', () => gate.waiting + others.waiting === 6)
  // One lane's extension is stuck until the lease is over. Somebody takes the job and gives it back: the other lane claims it.
  await bench.clock.advance(LEASE_MS)
  const [taken] = (await loseLease(bench.broker, 1)).jobs
  await release(bench.broker, taken as ClaimedJob)
  others.open()
  await until('the other lane to claim it again', () => gate.waiting === 2)
  line.resolve()
  await settled()
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  gate.open()
  expect((await bench.reaches(id, 'succeeded')).lost).toBe(1)
  worker.stop({ graceMs: 0 })
  await worker.done
})

test('a lane runs one job at a time that has lost a lease', async () => {
  const bench = createBench()
  const { gate, task } = heldTask()
  for (let round = 0; round < 3; round++) {
    await bench.enqueue('held')
    await loseLease(bench.broker, round)
  }
  await bench.clock.advance(LEASE_MS)
  const worker = bench.start([task], { lanes: 1, burst: true })
  for (let round = 0; round < 3; round++) {
    await until('a lost job to run', () => gate.waiting === 1)
    await settled()
    expect(gate.waiting).toBe(1)
    gate.open()
  }
  expect((await worker.done).succeeded).toBe(3)
})

test('an outage in the middle costs time, no job and no result', async () => {
  let down = false
  const bench = createBench((broker) =>
    withExchange(broker, (_request, send) =>
      down ? Promise.reject(new BrokerUnavailable('test', 'no line')) : send(),
    ),
  )
  const { gate, task } = heldTask()
  const id = await bench.enqueue('held')
  const worker = bench.start([task])
  await until('the job to run', () => gate.waiting === 1)
  down = true
  gate.open()
  await bench.clock.advance(LEASE_MS - 5_000)
  expect((await bench.read(id)).state).toBe('active')
  down = false
  await bench.clock.advance(3_000)
  expect((await bench.reaches(id, 'succeeded')).attempts).toBe(1)
  expect(bench.said('broker.retrying').length).toBeGreaterThan(3)
  worker.stop()
  await worker.done
})

test.each([1, 2, 3])('through a bad line every job succeeds once (seed %d)', async (seed) => {
  const faults: ReturnType<typeof flaky>['faults'][] = []
  const bench = createBench((broker) => {
    const line = flaky(broker, { random: seededRandom(seed), lose: 0.3, repeat: 0.2, late: 0.3 })
    faults.push(line.faults)
    return line
  })
  const echo = defineTask({ name: 'echo', run: (input) => input })
  const ids: string[] = []
  for (let at = 0; at < 100; at++) ids.push(await bench.enqueue('echo', at))
  const worker = bench.start([echo], { concurrency: 5 })
  for (let round = 0; round < 40; round++) await bench.clock.advance(LEASE_MS / 2)
  const records = await bench.broker.get(ids)
  expect(records.map((record) => [record?.state, record?.result, record?.attempts])).toEqual(
    ids.map((_, at) => ['succeeded', String(at), 1]),
  )
  expect(faults[0]?.lostReplies).toBeGreaterThan(0)
  expect(faults[0]?.late).toBeGreaterThan(0)
  worker.stop({ graceMs: 0 })
  await bench.clock.advance(LEASE_MS)
  await worker.done
})

test('progress of an exchange that failed for good goes with a later one', async () => {
  const gate = createGate()
  let down = false
  const bench = createBench((broker) =>
    withExchange(broker, (_request, send) => (down ? Promise.reject(new Error('no route')) : send())),
  )
  const told = defineTask({
    name: 'told',
    run(_input, job) {
      down = true
      job.progress({ done: 1 })
      return gate.pass()
    },
  })
  const id = await bench.enqueue('told')
  bench.start([told], { lanes: 1 })
  await until('the job to run', () => gate.waiting === 1)
  await bench.clock.advance(600)
  expect(bench.said('broker.failed').length).toBeGreaterThan(0)
  down = false
  await bench.clock.advance(5_000)
  expect((await bench.read(id)).progress).toBe('{"done":1}')
})
