import { expect, test } from 'bun:test'
import { BrokerUnavailable, type DrainOptions, defineApp, defineTask, drain, type Task } from 'tq-edge'
import type { Broker } from '../../src/broker.ts'
import type { Clock } from '../../src/clock.ts'
import { createBench, LEASE_MS, type WorkerBench, withExchange } from '../support/worker-bench.ts'

const BUDGET_MS = 20_000

interface Invocations extends WorkerBench {
  /** How many requests all drains have made. */
  readonly requests: { count: number }
  readonly started: string[]
  takes(name: string, ms: number, given?: Partial<Parameters<typeof defineTask>[0]>): Task
  enqueueMany(task: string, count: number): Promise<readonly string[]>
  /** One invocation, from its start to its end. */
  drain(tasks: readonly Task[], options?: Partial<DrainOptions>): Promise<Awaited<ReturnType<typeof drain>>>
}

function createInvocations(): Invocations {
  const requests = { count: 0 }
  const started: string[] = []
  const bench = createBench()
  const { clock } = bench
  const pass = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))
  const counted: Broker = {
    ...withExchange(bench.broker, (_request, send) => {
      requests.count++
      return send()
    }),
    workers() {
      requests.count++
      return bench.broker.workers()
    },
  }
  return {
    ...bench,
    requests,
    started,
    takes: (name, ms, given = {}) =>
      defineTask({
        ...given,
        name,
        async run() {
          started.push(name)
          if (ms > 0) await pass(ms)
        },
      }),
    enqueueMany: (task, count) => Promise.all(Array.from({ length: count }, () => bench.enqueue(task))),
    async drain(tasks, options = {}) {
      const onEvent = (event: (typeof bench.events)[number]) => void bench.events.push(event)
      const given = { broker: counted, clock, random: () => 0.5, budgetMs: BUDGET_MS, onEvent, ...options }
      let over = false
      const report = drain(defineApp({ tasks }), given).finally(() => {
        over = true
      })
      // Whoever asked gets the error; meanwhile it is nobody's.
      report.catch(() => {})
      for (let at = 0; at < 2 * BUDGET_MS && !over; at += 50) await clock.advance(50)
      return report
    },
  }
}

test('a drain runs what is there, and ends', async () => {
  const bench = createInvocations()
  const ids = await bench.enqueueMany('instant', 120)
  const startedMs = bench.clock.monotonic()
  const report = await bench.drain([bench.takes('instant', 0)])
  expect(report).toEqual({ ran: 120, failed: 0, returned: 0, left: false, nextAtMs: null, nowMs: expect.any(Number) })
  expect(bench.clock.monotonic() - startedMs).toBe(50)
  for (const id of ids) expect((await bench.read(id)).state).toBe('succeeded')
})

test('a thousand jobs that do nothing take fewer than 40 requests', async () => {
  const bench = createInvocations()
  await bench.enqueueMany('instant', 1_000)
  expect((await bench.drain([bench.takes('instant', 0)])).ran).toBe(1_000)
  expect(bench.requests.count).toBeLessThan(40)
})

test('jobs that end one after another take no more requests than it was given', async () => {
  const bench = createInvocations()
  const tasks = Array.from({ length: 150 }, (_, n) => bench.takes(`task-${n}`, 50 + n * 60))
  for (const { name } of tasks) await bench.enqueue(name)
  const { ran } = await bench.drain(tasks, { maxSubrequests: 20, concurrency: 200 })
  expect(ran).toBe(150)
  expect(bench.requests.count).toBeLessThanOrEqual(20)
})

test('what is left when the requests run out is left, and said to be', async () => {
  const bench = createInvocations()
  await bench.enqueueMany('instant', 100)
  const report = await bench.drain([bench.takes('instant', 0)], { maxSubrequests: 6, concurrency: 10 })
  expect(report).toMatchObject({ left: true, failed: 0, returned: 0 })
  expect(report.ran).toBeGreaterThan(0)
  expect(bench.requests.count).toBeLessThanOrEqual(6)
  expect((await bench.broker.stats()).queues[0]?.counts.queued).toBe(100 - report.ran)
})

test('a broker that fails again and again gets no more requests than the drain was given', async () => {
  const bench = createInvocations()
  await bench.enqueueMany('instant', 30)
  let count = 0
  const broker = withExchange(bench.broker, (_request, send) => {
    count++
    return count % 2 === 0 ? send() : Promise.reject(new BrokerUnavailable('test', 'no line'))
  })
  const { ran } = await bench.drain([bench.takes('instant', 0)], { broker, maxSubrequests: 8, concurrency: 5 })
  expect(ran).toBeGreaterThan(0)
  expect(count).toBeLessThanOrEqual(8)
})

test('a job that was started late and does not end goes back uncounted, for a drain that begins with it', async () => {
  const bench = createInvocations()
  const tasks = [bench.takes('first', 6_000), bench.takes('second', 15_000)]
  await bench.enqueue('first')
  const id = await bench.enqueue('second')
  const { ran, returned } = await bench.drain(tasks, { concurrency: 1 })
  expect([ran, returned]).toEqual([1, 1])
  expect(await bench.read(id)).toMatchObject({ state: 'queued', attempts: 0, lost: 0 })
  expect((await bench.drain(tasks, { concurrency: 1 })).ran).toBe(1)
  expect((await bench.read(id)).state).toBe('succeeded')
})

test('a job that is longer than any drain fails its attempts, and ends with a reason that says so', async () => {
  const bench = createInvocations()
  const endless = bench.takes('endless', 10 * BUDGET_MS, { retry: { maxAttempts: 3, backoff: () => 1_000 } })
  const id = await bench.enqueue('endless')
  for (let round = 0; round < 3; round++) {
    expect(await bench.drain([endless])).toMatchObject({ ran: 1, failed: 1, returned: 0 })
    await bench.clock.advance(60_000)
  }
  const { state, error, attempts } = await bench.read(id)
  expect([state, error?.name, attempts]).toEqual(['failed', 'DrainTooShort', 3])
  expect(error?.message).toContain('tq work')
  expect(await bench.drain([endless])).toMatchObject({ ran: 0 })
})

test('a job is started only if its like ended in the time that is left, as earlier drains have said', async () => {
  const bench = createInvocations()
  const tasks = [bench.takes('long', 8_000), bench.takes('first', 13_000)]
  await bench.enqueue('long')
  await bench.drain(tasks)
  await bench.enqueue('first')
  await bench.enqueue('first')
  await bench.drain(tasks)
  bench.started.splice(0)
  await bench.enqueue('first')
  const id = await bench.enqueue('long')
  const { ran, returned } = await bench.drain(tasks, { concurrency: 1 })
  expect([ran, returned, bench.started]).toEqual([1, 1, ['first']])
  const { state, attempts } = await bench.read(id)
  expect([state, attempts]).toEqual(['scheduled', 0])
  expect(bench.said('job.released').at(-1)?.reason).toContain('8000 ms')
})

test('a drain that stays runs what falls due in its time', async () => {
  const bench = createInvocations()
  const task = bench.takes('instant', 0)
  for (const delayMs of [3_000, 9_000, 60_000])
    await bench.broker.enqueue([
      { id: `in-${delayMs}`, task: 'instant', queue: 'default', input: '', priority: 0, createdAtMs: 0, delayMs },
    ])
  const quick = await bench.drain([task])
  expect([quick.ran, (quick.nextAtMs ?? 0) > quick.nowMs]).toEqual([0, true])
  const report = await bench.drain([task], { stay: true })
  expect([report.ran, report.left]).toEqual([2, false])
  expect((await bench.read('in-60000')).state).toBe('scheduled')
})

test('a drain that stays spreads its requests over its time, however often something falls due', async () => {
  const bench = createInvocations()
  const due = Array.from({ length: 90 }, (_, at) => 200 * (at + 1))
  for (const delayMs of due)
    await bench.broker.enqueue([
      { id: `in-${delayMs}`, task: 'instant', queue: 'default', input: '', priority: 0, createdAtMs: 0, delayMs },
    ])
  const { ran } = await bench.drain([bench.takes('instant', 0)], { stay: true, maxSubrequests: 20 })
  expect(ran).toBeGreaterThan(75)
  expect(bench.requests.count).toBeLessThanOrEqual(20)
})

test('a drain whose signal aborts returns what runs', async () => {
  const bench = createInvocations()
  const stopping = new AbortController()
  bench.clock.after(2_000, () => stopping.abort())
  const id = await bench.enqueue('slow')
  const report = await bench.drain([bench.takes('slow', 10_000)], { signal: stopping.signal })
  expect(report).toMatchObject({ ran: 0, returned: 1 })
  expect(await bench.read(id)).toMatchObject({ state: 'queued', attempts: 0, lost: 0 })
})

test('a drain that is killed leaves jobs that come back within a lease', async () => {
  const bench = createInvocations()
  const id = await bench.enqueue('slow')
  let exchanges = 0
  const broker = withExchange(bench.broker, (_request, send) => (++exchanges === 1 ? send() : new Promise(() => {})))
  void drain(defineApp({ tasks: [bench.takes('slow', 100)] }), { broker, clock: bench.clock })
  await bench.clock.advance(10)
  expect((await bench.read(id)).state).toBe('active')
  await bench.clock.advance(LEASE_MS)
  expect((await bench.drain([bench.takes('slow', 0)])).ran).toBe(1)
  expect(await bench.read(id)).toMatchObject({ state: 'succeeded', lost: 1 })
})

test('a clock that stands still while handlers compute stops no drain', async () => {
  const bench = createInvocations()
  await bench.enqueueMany('instant', 300)
  const nowMs = bench.clock.now()
  const still: Clock = { now: () => nowMs, monotonic: () => 0, after: () => () => {} }
  const report = await bench.drain([bench.takes('instant', 0)], { clock: still })
  expect([report.ran, report.left]).toEqual([300, false])
})

test('two drains at once run each job once', async () => {
  const bench = createInvocations()
  await bench.enqueueMany('instant', 400)
  const task = bench.takes('instant', 0)
  const reports = await Promise.all([bench.drain([task]), bench.drain([task])])
  expect(reports.reduce((sum, { ran }) => sum + ran, 0)).toBe(400)
  expect(bench.started.length).toBe(400)
})

test('drains of one name are one worker to those who look', async () => {
  const bench = createInvocations()
  await bench.enqueue('instant')
  for (let round = 0; round < 3; round++) await bench.drain([bench.takes('instant', 0)])
  expect((await bench.broker.stats()).workers.map(({ worker }) => worker)).toEqual(['drain'])
})

test('a drain whose broker cannot be reached says so', async () => {
  const bench = createInvocations()
  const broker = { ...bench.broker, workers: () => Promise.reject(new BrokerUnavailable('test', 'no line')) }
  await expect(bench.drain([bench.takes('instant', 0)], { broker })).rejects.toThrow(BrokerUnavailable)
})

test.each([{ budgetMs: 50 }, { budgetMs: Number.NaN }, { maxSubrequests: 4 }, { maxJobs: 0 }, { concurrency: 0 }])(
  '%p is refused',
  async (options) => {
    const bench = createInvocations()
    await expect(bench.drain([bench.takes('instant', 0)], options)).rejects.toMatchObject({ name: 'InvalidOption' })
  },
)

test('a drain that spares its requests keeps the leases of what it runs', async () => {
  const bench = createInvocations()
  const tasks = [bench.takes('short', 0), bench.takes('long', 100_000)]
  await bench.enqueueMany('short', 31)
  await bench.enqueue('long')
  const given = { budgetMs: 290_000, broker: { ...bench.broker, local: false }, clock: bench.clock }
  const onEvent = (event: (typeof bench.events)[number]) => void bench.events.push(event)
  const first = drain(defineApp({ tasks }), { ...given, concurrency: 1, onEvent })
  await bench.clock.advance(35_000)
  const second = drain(defineApp({ tasks }), given)
  await bench.clock.advance(300_000)
  await Promise.all([first, second])
  expect([bench.started.filter((name) => name === 'long').length, bench.said('job.late')]).toEqual([1, []])
})

test('a job that does not fit into a drain that stays is left alone by it', async () => {
  const bench = createInvocations()
  const tasks = [bench.takes('long', 10_000), bench.takes('short', 0)]
  await bench.enqueue('long')
  await bench.drain(tasks)
  const later = (id: string, task: string, delayMs: number) =>
    bench.broker.enqueue([{ id, task, queue: 'default', input: '', priority: 0, createdAtMs: 0, delayMs }])
  await later('does not fit', 'long', 11_000)
  await later('fits', 'short', 15_000)
  bench.requests.count = 0
  expect(await bench.drain(tasks, { stay: true })).toMatchObject({ ran: 1, returned: 1 })
  expect((await bench.read('fits')).state).toBe('succeeded')
  expect(bench.requests.count).toBeLessThan(8)
})

test.each([
  [1_000, 60],
  [5_000, 250],
  [25_000, 100],
])('a job longer than a drain of %d ms ends as failed, over round trips of %d ms', async (budgetMs, roundTripMs) => {
  const bench = createInvocations()
  const pass = () => new Promise<void>((resolve) => void bench.clock.after(roundTripMs, resolve))
  const far: Broker = {
    ...withExchange(bench.broker, async (_request, send) => {
      await pass()
      return send()
    }),
    workers: async () => {
      await pass()
      return bench.broker.workers()
    },
  }
  const endless = bench.takes('endless', 10 * BUDGET_MS, { retry: { maxAttempts: 1 } })
  const id = await bench.enqueue('endless')
  for (let round = 0; round < 5; round++) {
    await bench.drain([endless], { broker: far, budgetMs })
    await bench.clock.advance(60_000)
  }
  expect((await bench.read(id)).state).toBe('failed')
})
