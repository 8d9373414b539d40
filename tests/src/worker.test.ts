import { expect, test } from 'bun:test'
import { createWorker, defineApp, defineTask, InvalidOption, TooLarge } from 'tq-edge'
import type { Broker, ExchangeRequest } from '../../src/broker.ts'
import { MAX_BATCH_BYTES } from '../../src/broker.ts'
import { ENVELOPE_VERSION } from '../../src/job.ts'
import { settled } from '../support/clock.ts'
import { until } from '../support/until.ts'
import { createBench, createGate, LEASE_MS, withExchange } from '../support/worker-bench.ts'

const nothing = defineTask({ name: 'nothing', run() {} })

test('no more jobs run at once than the concurrency says, and no fewer', async () => {
  const bench = createBench()
  const gate = createGate()
  for (let at = 0; at < 40; at++) await bench.enqueue('held')
  const worker = bench.start([defineTask({ name: 'held', run: () => gate.pass() })], { concurrency: 7, burst: true })
  for (let done = 0; done < 40; done += 7) {
    await until('seven jobs, or all the rest, to run', () => gate.waiting === Math.min(7, 40 - done))
    await settled()
    gate.open()
  }
  expect((await worker.done).succeeded).toBe(40)
  expect(gate.most).toBe(7)
})

test('both lanes work, each with one exchange in flight and a seq of its own', async () => {
  const inFlight = new Map<string, number>()
  const seqs = new Map<string, number[]>()
  const bench = createBench((broker) =>
    withExchange(broker, async (request, send) => {
      inFlight.set(request.lane, (inFlight.get(request.lane) ?? 0) + 1)
      expect(inFlight.get(request.lane)).toBe(1)
      seqs.set(request.lane, [...(seqs.get(request.lane) ?? []), request.seq])
      const reply = await send()
      for (let turn = 0; turn < 3; turn++) await settled()
      inFlight.set(request.lane, 0)
      return reply
    }),
  )
  for (let at = 0; at < 200; at++) await bench.enqueue('nothing')
  // Half of the jobs end at once, so that there is something to settle while a lane is busy.
  const uneven = defineTask({ name: 'nothing', run: (_, job) => (Number(job.id.slice(3)) % 2 ? settled() : undefined) })
  await bench.start([uneven], { concurrency: 10, burst: true }).done
  expect(seqs.size).toBe(2)
  for (const seen of seqs.values()) expect(seen).toEqual(seen.map((_, at) => at + 1))
})

test('a burst ends once nothing is claimable, and leaves what is due later', async () => {
  const bench = createBench()
  await bench.enqueue('nothing')
  await bench.broker.enqueue([
    { id: 'later', task: 'nothing', queue: 'default', input: '', priority: 0, createdAtMs: 0, delayMs: 1 },
  ])
  expect((await bench.start([nothing], { burst: true }).done).succeeded).toBe(1)
  expect((await bench.read('later')).state).toBe('scheduled')
})

test('a worker with maxJobs ends after so many, and takes no other', async () => {
  const bench = createBench()
  for (let at = 0; at < 9; at++) await bench.enqueue('nothing')
  expect((await bench.start([nothing], { maxJobs: 4, concurrency: 3 }).done).succeeded).toBe(4)
  expect((await bench.broker.stats()).queues[0]?.counts).toEqual({ succeeded: 4, queued: 5 })
})

test('an idle worker takes a job that is enqueued, without any time passing', async () => {
  const bench = createBench()
  const worker = bench.start([nothing])
  await settled()
  await bench.reaches(await bench.enqueue('nothing'), 'succeeded')
  worker.stop()
  await worker.done
})

test('a worker with room left takes a job that is enqueued while others run, without any time passing', async () => {
  const bench = createBench()
  const gate = createGate()
  const worker = bench.start([defineTask({ name: 'held', run: () => gate.pass() })])
  await settled()
  for (let running = 1; running <= 5; running++) {
    await bench.enqueue('held')
    await until(`${running} jobs to run`, () => gate.waiting === running)
  }
  gate.open()
  worker.stop()
  expect((await worker.done).succeeded).toBe(5)
})

test('an idle worker wakes up for a job that falls due', async () => {
  const bench = createBench()
  const worker = bench.start([nothing])
  await settled()
  await bench.broker.enqueue([
    { id: 'later', task: 'nothing', queue: 'default', input: '', priority: 0, createdAtMs: 0, delayMs: 70_000 },
  ])
  await bench.clock.advance(69_999)
  expect((await bench.read('later')).state).toBe('scheduled')
  await bench.clock.advance(1)
  await bench.reaches('later', 'succeeded')
  worker.stop()
  await worker.done
})

test('a worker on a broker without hints asks again and again', async () => {
  const bench = createBench(({ wake: _, ...broker }) => broker)
  const worker = bench.start([nothing])
  await settled()
  const id = await bench.enqueue('nothing')
  await bench.clock.advance(5_000)
  await bench.reaches(id, 'succeeded')
  worker.stop()
  await worker.done
})

/** How often a worker without hints asks in so long. */
async function asksWithin(ms: number, workers?: number): Promise<number> {
  let asked = 0
  const bench = createBench(({ wake: _, ...broker }) =>
    withExchange(broker, async (_request, send) => {
      asked++
      return { ...(await send()), ...(workers === undefined ? {} : { workers }) }
    }),
  )
  const worker = bench.start([nothing])
  await bench.clock.advance(5 * 60_000)
  asked = 0
  await bench.clock.advance(ms)
  const found = asked
  worker.stop()
  await worker.done
  return found
}

test('the more workers there are on a broker without hints, the less often each of them asks, but once a lease', async () => {
  expect(await asksWithin(60_000)).toBe(12)
  expect(await asksWithin(60_000, 3)).toBe(4)
  expect(await asksWithin(60_000, 1_000)).toBe(2)
})

test('an idle worker asks no more often than once a lease', async () => {
  let exchanges = 0
  const bench = createBench((broker) =>
    withExchange(broker, (_request, send) => {
      exchanges++
      return send()
    }),
  )
  const worker = bench.start([nothing])
  await bench.clock.advance(1)
  exchanges = 0
  await bench.clock.advance(20 * LEASE_MS)
  expect(exchanges).toBeLessThanOrEqual(20)
  expect(exchanges).toBeGreaterThanOrEqual(10)
  worker.stop()
  await worker.done
})

test('a job of a task that the worker lacks is put back, later and later, and said once', async () => {
  const bench = createBench()
  const id = await bench.enqueue('nothin')
  const worker = bench.start([nothing])
  const delaysMs: number[] = []
  for (let round = 0; round < 9; round++) {
    const { atMs } = await bench.reaches(id, 'scheduled')
    delaysMs.push((atMs ?? 0) - bench.clock.now())
    await bench.clock.advance(delaysMs[round] ?? 0)
  }
  expect(delaysMs).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000))
  expect(bench.said('task.unknown')).toEqual([{ kind: 'task.unknown', task: 'nothin', suggestion: 'nothing' }])
  const { attempts, lost } = await bench.read(id)
  expect([attempts, lost]).toEqual([0, 0])
  worker.stop()
  await worker.done
})

test('a job put back by a worker that lacks its task is done by one that knows it', async () => {
  const bench = createBench()
  const id = await bench.enqueue('other')
  await bench.start([nothing], { burst: true }).done
  await bench.clock.advance(1_000)
  await bench.start([defineTask({ name: 'other', run: (_, job) => job.attempt })], { burst: true }).done
  expect((await bench.read(id)).result).toBe('1')
})

test('a job of a newer envelope is put back, not failed', async () => {
  const bench = createBench()
  const job = { id: 'new', task: 'nothing', queue: 'default', input: '', priority: 0, createdAtMs: 0 }
  await bench.broker.enqueue([{ ...job, v: ENVELOPE_VERSION + 1 }])
  await bench.start([nothing], { burst: true }).done
  expect((await bench.read('new')).state).toBe('scheduled')
  expect(bench.said('job.released')[0]?.reason).toContain(`version ${ENVELOPE_VERSION + 1}`)
})

test('progress is stored within half a second, the last one counts', async () => {
  const bench = createBench()
  const gate = createGate()
  const id = await bench.enqueue('steps')
  const steps = defineTask({
    name: 'steps',
    async run(_input, job) {
      for (let percent = 0; percent <= 50; percent += 10) job.progress({ percent })
      await gate.pass()
    },
  })
  const worker = bench.start([steps])
  await until('the job to run', () => gate.waiting === 1)
  await bench.clock.advance(500)
  expect((await bench.read(id)).progress).toBe('{"percent":50}')
  gate.open()
  worker.stop()
  await worker.done
})

test.each([
  ['too large', 'x'.repeat(5_000), 'TooLarge'],
  ['undefined', undefined, 'InvalidOption'],
  ['a BigInt', 1n, 'NotSerializable'],
])('progress that is %s is refused with a typed error', async (_what, value, name) => {
  const bench = createBench()
  const id = await bench.enqueue('steps')
  const steps = defineTask({ name: 'steps', retry: { maxAttempts: 1 }, run: (_, job) => job.progress(value) })
  await bench.start([steps], { burst: true }).done
  expect((await bench.read(id)).error?.name).toBe(name)
})

test('settlements are split by bytes: no exchange carries more than 4 MB', async () => {
  const carried: number[] = []
  const weigh = ({ settle }: ExchangeRequest) =>
    settle.reduce((sum, settlement) => sum + ('result' in settlement ? settlement.result.length : 0), 0)
  const bench = createBench((broker) =>
    withExchange(broker, (request, send) => {
      carried.push(weigh(request))
      return send()
    }),
  )
  for (let at = 0; at < 20; at++) await bench.enqueue('large')
  const gate = createGate()
  const large = defineTask({ name: 'large', run: () => gate.pass().then(() => 'x'.repeat(900_000)) })
  const worker = bench.start([large], { concurrency: 20, burst: true })
  await until('all jobs to run', () => gate.waiting === 20)
  gate.open()
  expect((await worker.done).succeeded).toBe(20)
  expect(Math.max(...carried)).toBeLessThanOrEqual(MAX_BATCH_BYTES)
})

test('the worker says of itself what it is', async () => {
  const bench = createBench()
  const worker = bench.start([nothing], { name: 'press', queues: ['default', 'mail'], concurrency: 3, runtime: 'bun' })
  await settled()
  const [seen, ...others] = (await bench.broker.stats()).workers
  expect(others).toEqual([])
  expect(seen).toMatchObject({ queues: ['default', 'mail'], concurrency: 3, running: 0, runtime: 'bun' })
  expect(seen?.worker).toStartWith('press.')
  worker.stop()
  await worker.done
})

test.each([{ concurrency: 0 }, { concurrency: 1.5 }, { lanes: 0 }, { leaseMs: 10 }, { queues: [] }])(
  'a worker with %p is refused',
  (options) => {
    const { broker, clock } = createBench()
    const build = () => createWorker({ app: defineApp({ tasks: [nothing] }), broker, clock, ...options })
    expect(build).toThrow(expect.objectContaining({ name: 'InvalidOption' }))
  },
)

test('a result that its broker finds too large fails its job and holds up no other', async () => {
  const limited = (broker: Broker) =>
    withExchange(broker, async ({ settle }, send) => {
      const bytes = settle.reduce((sum, settlement) => sum + ('result' in settlement ? settlement.result.length : 0), 0)
      if (bytes > 1_000) throw new TooLarge('a call', 1_000, bytes)
      return send()
    })
  const bench = createBench(limited)
  const small = await Promise.all(Array.from({ length: 9 }, () => bench.enqueue('small')))
  const big = await bench.enqueue('big')
  const tasks = [
    defineTask({ name: 'big', run: () => 'x'.repeat(2_000) }),
    defineTask({ name: 'small', run: () => 'x'.repeat(150) }),
  ]
  await bench.start(tasks, { burst: true }).done
  for (const id of small) expect((await bench.read(id)).state).toBe('succeeded')
  expect(await bench.read(big)).toMatchObject({ state: 'failed', error: { name: 'TooLarge' } })
})

test.each([
  ['maxJobs', Number.NaN],
  ['maxJobs', 0],
  ['maxResultBytes', Number.NaN],
])('%s of %d is refused', (option, value) => {
  expect(() => createBench().start([], { [option]: value })).toThrow(InvalidOption)
})
