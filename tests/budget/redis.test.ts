/** What each step costs on Redis, counted by the server, against the model that `tq cost` prints and the design's budget. */
import { afterAll, expect, test } from 'bun:test'
import { type Broker, createWorker, defineApp, defineTask, type Schedule } from 'tq-edge'
import { createBeat, deploySchedules, every, type TickReport, tick } from 'tq-edge/scheduler'
import { STEP_COMMANDS } from '../../adapters/brokers/redis/cost.ts'
import { createEdge, type Edge } from '../../adapters/runtimes/edge.ts'
import type { ClaimedJob, Tick } from '../../src/broker.ts'
import type { TaskCallbacks } from '../../src/callbacks.ts'
import { createApi, rateLimits } from '../../src/http/index.ts'
import type { Job } from '../../src/job.ts'
import type { Overlap } from '../../src/schedule.ts'
import { overlapTick } from '../contract/broker/overlap.ts'
import { set as setSchedule } from '../contract/broker/schedules.ts'
import { HOUR_MS, job, jobs, lane, succeed, type TestLane } from '../contract/verbs.ts'
import { createVirtualClock, VIRTUAL_START_MS } from '../support/clock.ts'
import { type Bench, type Counted, type Meter, startMeter, whyNotCounted } from './meter.ts'

const meter: Meter | undefined = whyNotCounted ? undefined : await startMeter()
afterAll(() => meter?.close())

/** The budget of the design; the model may promise less, never more. */
const BUDGET: Record<keyof typeof STEP_COMMANDS, number> = {
  enqueueOne: 3,
  enqueueMany: 4,
  nameLane: 2,
  exchange: 14,
  furtherQueue: 5,
  waitingExchange: 8,
  jobAlone: 27,
  get: 1,
  keepEvents: 1,
  readEvents: 1,
  idleWorkerMinute: 3,
  idleBeatMinute: 2,
  hintBeats: 1,
  tick: 16,
  tickMany: 20,
  lookAhead: 6,
  countCall: 4,
  furtherLimit: 1,
  idleCron: 11,
  firstCron: 10,
}

function counts(name: string, run: (meter: Meter) => Promise<void>): void {
  if (meter) test(name, () => run(meter), 20_000)
  else test.skip(`${name} (${whyNotCounted})`, () => {})
}

/** Fails with what was executed, not with a bare number. */
function expectAtMost(commands: number, { total, by }: Counted, less = 0): void {
  if (total - less > commands)
    throw new Error(`expected at most ${commands} commands, got ${total - less}: ${JSON.stringify(by)}`)
}

const tiny = defineTask({ name: 'digest', run: () => 'done' })

/** A queue that this process has used before and that is not empty: the first use costs one SADD more, an empty one a look for who waits. */
async function warm({ broker }: Bench, by: TestLane = lane(broker)): Promise<TestLane> {
  await broker.enqueue(jobs(3, 'warm'))
  const [claimed] = await by.claim(1)
  await by.settle(succeed(claimed as ClaimedJob))
  return by
}

test('the model promises no more than the budget allows', () => {
  for (const [step, commands] of Object.entries(STEP_COMMANDS))
    expect([step, commands <= BUDGET[step as keyof typeof BUDGET]]).toEqual([step, true])
})

counts(
  'where events are kept, a step that changes jobs costs one command more, and one that changes none nothing',
  async (redis) => {
    const [off, on] = [redis.open(), redis.open({ events: true })]
    const late = jobs(20, 'late', { delayMs: 60_000 })
    for (const { broker } of [off, on]) await broker.enqueue(late)
    const [offLane, onLane] = [await warm(off), await warm(on)]
    type Step = (broker: Broker, by: TestLane) => Promise<unknown>
    const steps: readonly [name: string, more: number, step: Step][] = [
      ['enqueue one', 1, ({ enqueue }) => enqueue([job('one')])],
      ['enqueue many', 1, ({ enqueue }) => enqueue(jobs(100))],
      ['enqueue again', 0, ({ enqueue }) => enqueue(jobs(100))],
      [
        'claim and exchange',
        2,
        async (_, by) => by.exchange({ want: 50, settle: (await by.claim(50)).map((held) => succeed(held)) }),
      ],
      ['cancel', 1, ({ cancel }) => cancel(late.map(({ id }) => id))],
      ['remove', 1, ({ remove }) => remove(late.map(({ id }) => id))],
      ['exchange for nothing', 0, (_, by) => by.exchange({ queues: ['other'], want: 10 })],
      ['read', 0, ({ get }) => get(['one'])],
    ]
    for (const [name, more, step] of steps) {
      const without = await redis.count(() => step(off.broker, offLane))
      const with_ = await redis.count(() => step(on.broker, onLane))
      // The first time, a script is sent as a whole after all.
      const less = without.total - (without.by.eval ?? 0)
      expect([name, with_.total - less]).toEqual([name, more * STEP_COMMANDS.keepEvents])
    }
    const { cursor = '' } = (await on.broker.transitions?.()) ?? {}
    await on.broker.enqueue(jobs(100, 'more'))
    expectAtMost(STEP_COMMANDS.readEvents, await redis.count(async () => on.broker.transitions?.({ after: cursor })))
  },
)

counts('enqueueing one job', async (redis) => {
  const bench = redis.open()
  await warm(bench)
  expectAtMost(STEP_COMMANDS.enqueueOne, await redis.count(() => bench.broker.enqueue([job('one')])))
})

counts('the first job of a queue, and one on an empty queue, cost up to three more', async (redis) => {
  const { broker } = redis.open()
  await warm(redis.open())
  await broker.stats()
  const first = await redis.count(() => broker.enqueue([job('one')]))
  expectAtMost(STEP_COMMANDS.enqueueOne + 3, first)
  await lane(broker).claimOne()
  expectAtMost(STEP_COMMANDS.enqueueOne + 1, await redis.count(() => broker.enqueue([job('two')])))
})

counts('the first script of a process costs one more, two on a fresh database', async (redis) => {
  const { broker } = redis.open({ prefix: 'fresh' })
  await redis.open().broker.prune()
  const fresh = await redis.count(() => broker.prune())
  const usual = await redis.count(() => broker.prune())
  const another = redis.open({ prefix: 'fresh' })
  expect([fresh.by.get, fresh.by.set, fresh.total]).toEqual([1, 1, usual.total + 2])
  expect((await redis.count(() => another.broker.prune())).total).toBe(usual.total + 1)
})

counts('the first bare read of a process costs one more', async (redis) => {
  const { broker } = redis.open()
  const read = () => redis.count(() => broker.get(['job']))
  expect([(await read()).total, (await read()).total]).toEqual([STEP_COMMANDS.get + 1, STEP_COMMANDS.get])
})

for (const size of [100, 1_000])
  counts(`enqueueing ${size} jobs in one call`, async (redis) => {
    const bench = redis.open()
    await warm(bench)
    expectAtMost(STEP_COMMANDS.enqueueMany, await redis.count(() => bench.broker.enqueue(jobs(size))))
  })

const RATE = { calls: 2, windowMs: 60_000 }

counts('counting a call against one rate limit, against two, and refusing it', async (redis) => {
  const bench = redis.open()
  await warm(bench)
  const count = (...keys: string[]) => redis.count(() => bench.broker.countCall(keys.map((key) => ({ key, ...RATE }))))
  await count('warm')
  expectAtMost(STEP_COMMANDS.countCall, await count('a'))
  expectAtMost(STEP_COMMANDS.countCall + STEP_COMMANDS.furtherLimit, await count('a', 'b'))
  const refused = await count('a', 'b')
  expect(refused.by.set).toBeUndefined()
  expectAtMost(STEP_COMMANDS.countCall - 1, refused)
})

counts(
  'an API with rate limits pays for calls that may be made, once for those that are too many, and for no others',
  async (redis) => {
    const bench = redis.open()
    await warm(bench)
    const rate = { calls: 3, windowMs: 60_000 }
    const addressOf = () => '192.0.2.1'
    const api = createApi({
      broker: bench.broker,
      tokens: ['token'],
      addressOf,
      rateLimits: rateLimits({ perToken: rate, perAddress: rate }),
    })
    const call = (token: string) =>
      redis.count(async () => api.request('/v1/jobs/none', { headers: { Authorization: `Bearer ${token}` } }))
    await call('token')
    const counted = STEP_COMMANDS.countCall + STEP_COMMANDS.furtherLimit
    expectAtMost(counted + STEP_COMMANDS.get, await call('token'))
    await call('token')
    expectAtMost(STEP_COMMANDS.countCall - 1, await call('token'))
    for (const token of ['token', 'wrong']) expectAtMost(0, await call(token))
  },
)

/** TIME, LRANGE, MGET, ZMSCORE, MSET, LTRIM, and RPUSH and ZADD for when the records end. */
const DROP_COMMANDS = 8

for (const [size, commands] of [
  [1, STEP_COMMANDS.enqueueOne],
  [100, STEP_COMMANDS.enqueueMany],
] as const)
  counts(`enqueueing ${size} where as many give way, and where none has to`, async (redis) => {
    const bench = redis.open({ maxReady: 200, whenFull: 'drop-oldest' })
    await warm(bench)
    expectAtMost(commands, await redis.count(() => bench.broker.enqueue(jobs(size, 'fits'))))
    await bench.broker.enqueue(jobs(200, 'fill'))
    const dropping = await redis.count(() => bench.broker.enqueue(jobs(size, 'drop')))
    expect(dropping.by.ltrim).toBe(1)
    expectAtMost(commands + DROP_COMMANDS, dropping)
  })

for (const [size, commands] of [
  [1, STEP_COMMANDS.enqueueOne],
  [100, STEP_COMMANDS.enqueueMany],
] as const)
  counts(`enqueueing ${size} while a lane waits`, async (redis) => {
    const bench = redis.open()
    const by = await warm(bench)
    await by.claim(10)
    await by.wait()
    const counted = await redis.count(() => bench.broker.enqueue(jobs(size)))
    expect(counted.by.publish).toBe(1)
    expectAtMost(commands + STEP_COMMANDS.nameLane, counted)
  })

/** Settles what the lane holds and claims as many again, fifty times. */
async function fiftyExchanges(bench: Bench, by: TestLane, size: number): Promise<void> {
  for (let filled = 0; filled <= 50 * size; filled += 1_000)
    await bench.broker.enqueue(jobs(1_000, `${by.seq}-${filled}`))
  let held = await by.claim(size)
  for (let round = 0; round < 50; round++)
    held = await by.claim(size, { settle: held.map((claimed) => succeed(claimed)) })
  expect(held).toHaveLength(size)
  await by.settle(...held.map((claimed) => succeed(claimed)))
}

for (const size of [10, 100])
  counts(`an exchange that settles and claims ${size}, with the sweep`, async (redis) => {
    const clock = createVirtualClock()
    const bench = redis.open({ clock, ownTime: true })
    const by = await warm(bench)
    // Results whose time is over by then: what there is to sweep.
    await fiftyExchanges(bench, by, size)
    await clock.advance(2 * HOUR_MS)
    const counted = await redis.count(() => fiftyExchanges(bench, by, size))
    expect(counted.by.del).toBeGreaterThan(0)
    // Fifty full ones, a first claim and a last settlement; without TIME, which the clock of the test spares.
    const commands = 52 * (STEP_COMMANDS.exchange - 1) + (counted.by.msetnx ?? 0) * STEP_COMMANDS.enqueueMany
    expectAtMost(commands, counted)
  })

counts('each further queue, empty or not', async (redis) => {
  const bench = redis.open()
  const by = await warm(bench)
  const queues = ['default', 'a', 'b', 'c', 'd', 'e']
  for (const queue of ['a', 'b', 'c']) await bench.broker.enqueue(jobs(10, queue, { queue }))
  const few = await redis.count(() => by.claim(1, { queues: ['default'] }))
  const many = await redis.count(() => by.claim(40, { queues }))
  expectAtMost(few.total + 5 * STEP_COMMANDS.furtherQueue, many)
})

counts('an exchange that finds nothing and registers as waiting', async (redis) => {
  const bench = redis.open()
  const by = await warm(bench)
  await by.claim(10)
  expectAtMost(STEP_COMMANDS.waitingExchange, await redis.count(() => by.wait()))
})

/** Jobs one after the other, each from its enqueue until its result is kept and everybody waits again. */
async function oneAtATime(redis: Meter, workers: number): Promise<Counted> {
  const { broker, rest } = redis.open()
  const app = defineApp({ tasks: [tiny] })
  const started = Array.from({ length: workers }, () => createWorker({ app, broker }))
  const done = started.map((worker) => worker.run())
  const settled = async (id: string) => {
    await broker.enqueue([job(id)])
    await rest()
    await rest()
  }
  await rest()
  await settled('first')
  const counted = await redis.count(async () => {
    for (let at = 0; at < JOBS_ALONE; at++) await settled(`alone-${at}`)
  })
  const succeeded = await broker.get(Array.from({ length: JOBS_ALONE }, (_, at) => `alone-${at}`))
  expect(succeeded.map((record) => record?.state)).toEqual(Array(JOBS_ALONE).fill('succeeded'))
  for (const worker of started) worker.stop()
  await Promise.all(done)
  // The marks that told that all was at rest.
  return { ...counted, total: counted.total - 2 * JOBS_ALONE }
}

const JOBS_ALONE = 10
const MINUTE_MS = 60_000

counts('a job alone, from its start until its result is kept', async (redis) => {
  expectAtMost(JOBS_ALONE * STEP_COMMANDS.jobAlone, await oneAtATime(redis, 1))
})

counts('a job alone, the same however many workers are idle', async (redis) => {
  const one = await oneAtATime(redis, 1)
  expectAtMost(one.total + JOBS_ALONE, await oneAtATime(redis, 50))
})

counts('reading finished jobs', async (redis) => {
  const bench = redis.open()
  const by = await warm(bench)
  const held = await by.claim(2)
  await by.settle(...held.map((claimed) => succeed(claimed)))
  const ids = held.map(({ id }) => id)
  expectAtMost(STEP_COMMANDS.get, await redis.count(() => bench.broker.get(ids)))
})

/** EVALSHA, TIME, a read, leases, an index, a wake, a write and its end: each once for up to 8 jobs, and in three goes for 1,000 small ones. */
const OPERATION_COMMANDS = 9

for (const size of [1, 8, 1_000])
  counts(`cancelling, replaying, promoting and removing ${size}`, async (redis) => {
    const { broker } = redis.open()
    const many = jobs(size)
    const ids = many.map(({ id }) => id)
    const refs = async () => (await broker.get(ids)).map((one) => ({ id: one?.id ?? '', epoch: one?.epoch ?? 0 }))
    await broker.enqueue(many.map((one) => ({ ...one, delayMs: MINUTE_MS })))
    const commands = size > 8 ? 3 * OPERATION_COMMANDS : OPERATION_COMMANDS
    const [waiting, calls] = [await refs(), [] as Counted[]]
    await broker.prune()
    for (const call of ['promote', 'cancel'] as const) {
      const change = () => (call === 'promote' ? broker.promote(waiting) : broker.cancel(ids))
      calls.push(await redis.count(change))
    }
    const cancelled = await refs()
    calls.push(await redis.count(() => broker.retry(cancelled)))
    calls.push(await redis.count(() => broker.remove(ids)))
    for (const counted of calls) expectAtMost(commands, counted)
  })

counts('purging a queue of 1,000 jobs in each of its places', async (redis) => {
  const { broker } = redis.open()
  await broker.prune()
  for (const [name, more] of Object.entries({ ready: {}, urgent: { priority: 1 }, later: { delayMs: MINUTE_MS } }))
    await broker.enqueue(jobs(1_000, name, more))
  for (const revision of [0, 1, 2]) {
    const counted = await redis.count(async () => expect((await broker.purge('default', revision)).removed).toBe(1_000))
    expectAtMost(13, counted)
  }
  expectAtMost(9, await redis.count(() => broker.purge('default', 3)))
})

counts(
  'cancelling, removing and purging 1,000 jobs of a schedule, each of which waits for the one before it',
  async (redis) => {
    const { broker } = redis.open()
    await broker.prune()
    const names = ['cancelled', 'removed', 'purged']
    await broker.setSchedules(names.map((name) => setSchedule(name, { dueAtMs: VIRTUAL_START_MS })))
    for (const schedule of names)
      await broker.fire(
        Array.from({ length: 1_000 }, (_, n) =>
          overlapTick(VIRTUAL_START_MS, n, 'bufferAll', { schedule, job: { queue: schedule } }),
        ),
      )
    const ids = (name: string) => Array.from({ length: 1_000 }, (_, n) => `${name}.${n}`)
    expectAtMost(27, await redis.count(() => broker.cancel(ids('cancelled'))))
    expectAtMost(27, await redis.count(() => broker.remove(ids('removed'))))
    expectAtMost(34, await redis.count(() => broker.purge('purged', 0)))
  },
)

counts('a page of jobs, whatever its filter leaves out, and however many places are empty', async (redis) => {
  const { broker } = redis.open()
  for (let at = 0; at < 3; at++) await broker.enqueue(jobs(1_000, `of-${at}`))
  const page = await redis.count(() => broker.list({ limit: 50 }))
  expectAtMost(8, page)
  let cursor: string | null = ''
  const narrow = await redis.count(async () => {
    const { jobs: found, cursor: next } = await broker.list({ task: 'another', limit: 50 })
    expect(found).toEqual([])
    cursor = next
  })
  expect(cursor).not.toBeNull()
  expectAtMost(24, narrow)
  await broker.enqueue(Array.from({ length: 300 }, (_, at) => job(`queue-${at}`, { queue: `queue-${at}` })))
  const wide = await redis.count(() => broker.list({ task: 'another', states: ['active'] }))
  expectAtMost(104, wide)
})

counts('the counts of one queue', async (redis) => {
  const bench = redis.open()
  await warm(bench)
  await bench.broker.stats({ queues: ['default'] })
  expectAtMost(8, await redis.count(() => bench.broker.stats({ queues: ['default'] })))
})

counts('watching jobs over server-sent events, by the minute, however many streams there are', async (redis) => {
  const clock = createVirtualClock()
  const { broker, rest } = redis.open({ clock, ownTime: true })
  const api = createApi({ broker, tokens: 'none', clock })
  await broker.enqueue(jobs(50))
  const streams = await Promise.all(jobs(50).map(({ id }) => api.request(`/v1/jobs/${id}/events`)))
  // Until hints can come and all are registered.
  for (let second = 0; second < 10; second++) {
    await clock.advance(1_000)
    await rest()
  }
  let marks = 0
  const counted = await redis.count(async () => {
    for (let second = 0; second < 60; second++) {
      await clock.advance(1_000)
      marks += await rest()
    }
  })
  // A look every 5 s: EVALSHA and MGET for eight jobs, the same for the others, and ZMSCORE.
  expectAtMost(12 * 5, counted, marks)
  expect(counted.by.zmscore).toBeGreaterThanOrEqual(6)
  for (const { body } of streams) await body?.cancel()
})

counts('an idle worker, by the minute, with its presence and its streams', async (redis) => {
  const clock = createVirtualClock()
  const { broker, rest } = redis.open({ clock, ownTime: true })
  const worker = createWorker({ app: defineApp({ tasks: [tiny] }), broker, clock })
  const done = worker.run()
  await rest()
  const minutes = 12
  let marks = 0
  const counted = await redis.count(async () => {
    // Second by second, so that what is opened anew has its time.
    for (let second = 0; second < minutes * 60; second++) {
      await clock.advance(1_000)
      if (second % 10 < 2) marks += await rest()
    }
  })
  expectAtMost(minutes * STEP_COMMANDS.idleWorkerMinute, counted, marks)
  // It is still there, says what it has spent by then, and still works.
  const { workers } = await broker.stats()
  expect(workers.map(({ commands = 0 }) => commands > minutes && commands <= (broker.commandsSpent?.() ?? 0))).toEqual([
    true,
  ])
  await broker.enqueue([job('late')])
  await rest()
  await rest()
  expect((await broker.get(['late']))[0]?.state).toBe('succeeded')
  worker.stop()
  await done
})

/** Lets a beat run for so many minutes, second by second, and counts from its first pause on. */
async function countBeat(
  redis: Meter,
  schedules: readonly Schedule[],
  minutes: number,
  options: { readonly subscribe?: boolean } = {},
): Promise<Counted & { readonly spent: number }> {
  const clock = createVirtualClock()
  const { broker, ended, rest } = redis.open({ clock, ownTime: true, ...options })
  const spentSoFar = () => broker.commandsSpent?.() ?? Number.NaN
  const app = defineApp({ tasks: [tiny], schedules: [...schedules] })
  const beat = createBeat({ app, broker, clock, stampMs: 1 })
  const done = beat.run()
  await ended()
  // Until its stream is there, and the look that follows from that is over.
  if (broker.wake) await rest()
  await clock.advance(1_000)
  await ended()
  let marks = 0
  const before = spentSoFar()
  const counted = await redis.count(async () => {
    for (let second = 0; second < minutes * 60; second++) {
      await clock.advance(1_000)
      await ended()
      // What is opened anew has its time.
      if (broker.wake && second % 240 > 235) marks += await rest()
    }
  })
  const spent = spentSoFar() - before
  const [seen] = await broker.beats()
  expect(seen?.agoMs).toBeLessThanOrEqual(80_000)
  beat.stop()
  await done
  return { ...counted, total: counted.total - marks, spent }
}

counts('a beat with a thousand schedules of which none is due, by the minute', async (redis) => {
  const schedules = Array.from({ length: 1_000 }, (_, at) => every(`later-${at}`, '4w', { task: tiny }))
  const counted = await countBeat(redis, schedules, 12)
  expectAtMost(12 * STEP_COMMANDS.idleBeatMinute, counted)
  // A stream that is opened anew every four minutes is a command to whoever bills it, and fits in.
  expect(counted.spent).toBe(counted.total + 3)
  expect(counted.spent).toBeLessThanOrEqual(12 * STEP_COMMANDS.idleBeatMinute)
})

counts('a beat that is given no hints costs one more a minute', async (redis) => {
  const schedules = [every('later', '4w', { task: tiny })]
  const counted = await countBeat(redis, schedules, 12, { subscribe: false })
  expectAtMost(12 * (STEP_COMMANDS.idleBeatMinute + 1), counted)
})

counts('a change of schedules costs one hint, and each beat one look', async (redis) => {
  const clock = createVirtualClock()
  const { broker, ended, rest } = redis.open({ clock, ownTime: true })
  const beats = [1, 2, 3].map(() => createBeat({ app: defineApp({ tasks: [tiny] }), broker, clock, stampMs: 0 }))
  const done = beats.map((beat) => beat.run())
  await rest()
  await clock.advance(1_000)
  await rest()
  const change = (name: string) =>
    ({ kind: 'set', name, app: 'app', definition: '{}', incarnation: 'i', stampMs: 1, dueAtMs: 4e12 }) as const
  const silent = await redis.count(() => broker.setSchedules([{ ...change('a'), app: 'other' }]))
  await clock.advance(5_000)
  const counted = await redis.count(async () => {
    await broker.setSchedules([change('b'), change('c'), change('d')])
    await rest()
    await clock.advance(1_000)
    await ended()
  })
  expect([silent.by.publish, counted.by.publish]).toEqual([1, 2]) // One of them is the mark of `rest`.
  expect(counted.by.zrange).toBe(3)
  for (const beat of beats) beat.stop()
  await Promise.all(done)
})

/** One pass of a process that has passed before, a minute ago. */
async function countPass(redis: Meter, schedules: readonly Schedule[], aheadMs = 0): Promise<Counted & TickReport> {
  const clock = createVirtualClock()
  const bench = redis.open({ clock, ownTime: true })
  const { broker } = bench
  const app = defineApp({ tasks: [tiny], schedules: [...schedules] })
  const by = await warm(bench)
  await deploySchedules({ app, broker, clock, stampMs: 1 })
  await clock.advance(MINUTE_MS)
  await tick({ app, broker, clock, aheadMs })
  await by.claim(1_000)
  await clock.advance(MINUTE_MS)
  let report: TickReport | undefined
  const { total, by: commands } = await redis.count(async () => {
    report = await tick({ app, broker, clock, aheadMs })
  })
  // With a TIME in each script, which the clock of the test spares.
  return { total: total + (commands.evalsha ?? 0), by: commands, ...(report as TickReport) }
}

const often = (count: number, interval: string) =>
  Array.from({ length: count }, (_, at) => every(`often-${at}`, interval, { task: tiny }))

counts('a pass over a hundred schedules that are due, with the looks before and after it', async (redis) => {
  const counted = await countPass(redis, often(100, '1m'))
  expect(counted.fired).toBe(100)
  expectAtMost(STEP_COMMANDS.tickMany, counted)
})

/** With so many that are not due, of the same app. */
const among = (stored: number) => [
  ...often(100, '1m'),
  ...Array.from({ length: stored }, (_, at) => every(`later-${at}`, '4w', { task: tiny })),
]

counts('a pass that fires a hundred costs the same with 1,000 schedules stored as with 10,000', async (redis) => {
  const [few, many] = [await countPass(redis, among(1_000)), await countPass(redis, among(10_000))]
  expect([few.fired, many.fired]).toEqual([100, 100])
  expect(many.by).toEqual(few.by)
  expectAtMost(BUDGET.tickMany, many)
})

counts(
  'a deploy that changes nothing is one command, and a beat that starts with it reads what is due',
  async (redis) => {
    const clock = createVirtualClock()
    const { broker } = redis.open({ clock, ownTime: true })
    const app = defineApp({ tasks: [tiny], schedules: among(2_000) })
    await deploySchedules({ app, broker, clock, stampMs: 1 })
    expectAtMost(1, await redis.count(() => deploySchedules({ app, broker, clock, stampMs: 1 })))
    expectAtMost(1, await redis.count(() => deploySchedules({ app, broker, clock })))
  },
)

counts('a deploy takes a few commands for each thousand that it stores, changes or removes', async (redis) => {
  const clock = createVirtualClock()
  const { broker } = redis.open({ clock, ownTime: true })
  const deploy = (stampMs: number, schedules: readonly Schedule[]) =>
    redis.count(() =>
      deploySchedules({ app: defineApp({ tasks: [tiny], schedules: [...schedules] }), broker, clock, stampMs }),
    )
  await deploy(1, often(1, '1m'))
  // The mark before and after, a page of what is stored, and three calls.
  expectAtMost(50, await deploy(2, often(3_000, '1m')))
  expectAtMost(70, await deploy(3, often(3_000, '2m')))
  expectAtMost(70, await deploy(4, []))
})

counts('schedules of names are one command, and a page of fifty a few, however many there are', async (redis) => {
  const clock = createVirtualClock()
  const { broker } = redis.open({ clock, ownTime: true })
  await deploySchedules({ app: defineApp({ tasks: [tiny], schedules: among(2_000) }), broker, clock, stampMs: 1 })
  const names = ['often-0', 'often-1', 'later-7']
  expectAtMost(1, await redis.count(() => broker.schedules({ names })))
  expectAtMost(6, await redis.count(() => broker.schedules({ limit: 50 })))
  expectAtMost(6, await redis.count(() => broker.schedules({ limit: 1_000, cursor: 'later-7' })))
})

for (const [schedules, fired] of [
  [1, 12],
  [50, 600],
] as const)
  counts(`a pass that looks a minute ahead, ${fired} due times of ${schedules} schedules`, async (redis) => {
    const counted = await countPass(redis, often(schedules, '5s'), MINUTE_MS)
    expect(counted.fired).toBe(fired)
    expectAtMost(STEP_COMMANDS.tickMany + STEP_COMMANDS.lookAhead, counted)
  })

/** A tick each of so many schedules, the n-th one. */
function ticksOf(schedules: number, n: number, overlap?: Overlap): Tick[] {
  return Array.from({ length: schedules }, (_, at) =>
    overlapTick(VIRTUAL_START_MS, n, overlap, { schedule: `often-${at}` }),
  )
}

/** A broker on which a tick each of so many schedules was fired, and their jobs have run. */
async function fired({ broker }: Bench, schedules: number, overlap?: Overlap): Promise<TestLane> {
  const by = await warm({ broker } as Bench)
  const names = ticksOf(schedules, 0).map(({ schedule }) => schedule)
  await broker.setSchedules(names.map((name) => setSchedule(name, { dueAtMs: VIRTUAL_START_MS })))
  await broker.fire(ticksOf(schedules, 0, overlap))
  const held = await by.claim(schedules + 10)
  await by.settle(...held.map((claimed) => succeed(claimed)))
  return by
}

for (const [what, overlap, commands] of [
  // EVALSHA, HMGET and HSET of the schedules and of their runs, RPUSH, MSETNX, ZADD, and RPOP to name who waits.
  ['without a rule', undefined, 9],
  // And HMGET and HSET of whose turn it is, two MGET of the jobs before.
  ['with a rule of overlap', 'skip', 13],
  ['with a rule of overlap', 'bufferAll', 13],
] as const)
  counts(`a hundred ticks of a hundred schedules ${what} (${overlap ?? 'allow'})`, async (redis) => {
    const bench = redis.open({ clock: createVirtualClock() })
    await fired(bench, 100, overlap)
    const counted = await redis.count(() => bench.broker.fire(ticksOf(100, 1, overlap)))
    expect([counted.total, counted.by]).toEqual([commands, counted.by])
  })

counts('a hundred ticks of which each is skipped, or waits', async (redis) => {
  for (const overlap of ['skip', 'bufferOne'] as const) {
    const bench = redis.open({ clock: createVirtualClock() })
    await fired(bench, 100, overlap)
    await bench.broker.fire(ticksOf(100, 1, overlap))
    expectAtMost(14, await redis.count(() => bench.broker.fire(ticksOf(100, 2, overlap))))
  }
})

counts('an exchange that frees jobs costs a few more, one that could free none costs one', async (redis) => {
  const settling = async (overlap: Overlap | undefined, ticks: number) => {
    const bench = redis.open({ clock: createVirtualClock() })
    const by = await fired(bench, 10, overlap)
    for (let n = 1; n <= ticks; n++) await bench.broker.fire(ticksOf(10, n, overlap))
    const held = await by.claim(10)
    return redis.count(() => by.settle(...held.map((claimed) => succeed(claimed))))
  }
  const plain = await settling(undefined, 1)
  for (const overlap of ['skip', 'cancelPrevious'] as const) expectAtMost(plain.total, await settling(overlap, 1))
  expectAtMost(plain.total + 1, await settling('bufferAll', 1))
  // Of ten jobs that are freed each is a command.
  expectAtMost(plain.total + 10 + 9, await settling('bufferAll', 2))
})

counts(
  'callbacks cost three commands an exchange, however many jobs have one, and nothing where none has',
  async (redis) => {
    const settling = async (given: Partial<Job>, callbacks?: TaskCallbacks) => {
      const bench = redis.open()
      const by = await warm(bench)
      await bench.broker.enqueue(jobs(100, 'told', given))
      const held = await by.claim(102)
      return redis.count(() =>
        by.exchange({ settle: held.map((one) => succeed(one)), ...(callbacks && { callbacks }) }),
      )
    }
    const plain = await settling({})
    const unused = { digest: { onFailure: 'https://hooks.example/' } }
    for (const none of [await settling({ onFailure: 'https://hooks.example/' }), await settling({}, unused)])
      expectAtMost(plain.total, none)
    const callbacks = { onSuccess: 'https://hooks.example/' }
    // RPUSH, MSETNX, and RPOP to name who waits.
    for (const told of [await settling(callbacks), await settling({}, { digest: callbacks })])
      expectAtMost(plain.total + 3, told)
  },
)

counts('a change that takes back what was looked ahead costs a few more, however much it was', async (redis) => {
  const clock = createVirtualClock()
  const { broker } = redis.open({ clock, ownTime: true })
  const remove = (name: string) => () => broker.setSchedules([{ kind: 'remove', name, app: 'app', stampMs: 2 }])
  const app = defineApp({ tasks: [tiny], schedules: often(3, '1s') })
  await deploySchedules({ app, broker, clock, stampMs: 1 })
  await remove('often-0')()
  const without = await redis.count(remove('often-1'))
  await tick({ app, broker, clock, aheadMs: MINUTE_MS })
  const counted = await redis.count(remove('often-2'))
  expect(counted.by.del).toBe(1)
  expectAtMost(without.total + 6, counted)
})

counts('a tick, with the looks before and after it', async (redis) => {
  const counted = await countBeat(redis, [every('often', '1m', { task: tiny })], 10)
  // The schedule, its runs, and the mark of the beat.
  expect(counted.by.hset).toBe(30)
  expectAtMost(10 * (STEP_COMMANDS.tick + STEP_COMMANDS.idleBeatMinute), counted)
})

const TOKEN = 'a-token-for-tests'

/** An instance of an edge with a schedule that is not due, on a broker whose scripts are there already. */
async function anInstance({ broker }: Bench): Promise<Edge> {
  await broker.prune()
  const schedules = [every('later', '4w', { task: tiny })]
  const options = { broker: (): Broker => broker, tokens: () => [TOKEN], kick: true }
  return createEdge(defineApp({ tasks: [tiny], schedules }), options)
}

counts('a cron trigger that finds nothing, and the first one of an instance', async (redis) => {
  const bench = redis.open({ subscribe: false })
  const [first, second] = [await anInstance(bench), await anInstance(bench)]
  await first.cron({})
  expectAtMost(STEP_COMMANDS.idleCron, await redis.count(() => first.cron({})))
  expectAtMost(STEP_COMMANDS.idleCron + STEP_COMMANDS.firstCron, await redis.count(() => second.cron({})))
})

counts('an instance leaves a mark with every third trigger of a minute, one command each', async (redis) => {
  const clock = createVirtualClock()
  const { broker } = redis.open({ subscribe: false, clock, ownTime: true })
  const app = defineApp({ tasks: [tiny], schedules: [every('later', '4w', { task: tiny })] })
  const edge = createEdge(app, { broker: () => broker, tokens: () => [TOKEN], drain: false, clock })
  await edge.cron({})
  const marks = []
  for (let minute = 0; minute < 7; minute++) {
    await clock.advance(MINUTE_MS)
    marks.push((await redis.count(() => edge.cron({}))).by.hset ?? 0)
  }
  expect(marks).toEqual([0, 0, 1, 0, 0, 1, 0])
})

counts('a cron trigger that runs what it finds: an exchange more for each fifty jobs', async (redis) => {
  const bench = redis.open({ subscribe: false })
  const edge = await anInstance(bench)
  await edge.cron({})
  for (const size of [1, 50, 200]) {
    await bench.broker.enqueue(jobs(size, `of-${size}`))
    const exchanges = Math.ceil(size / 50)
    expectAtMost(STEP_COMMANDS.idleCron + exchanges * STEP_COMMANDS.exchange, await redis.count(() => edge.cron({})))
  }
})

counts('a job that a request brings and that is run right after the answer', async (redis) => {
  const bench = redis.open({ subscribe: false })
  const edge = await anInstance(bench)
  async function take(): Promise<void> {
    const headers = { Authorization: `Bearer ${TOKEN}` }
    const request = new Request('http://edge.test/v1/tasks/digest', { method: 'POST', headers, body: 'null' })
    const background: Promise<unknown>[] = []
    expect((await edge.fetch(request, {}, (work) => background.push(work))).status).toBe(202)
    await Promise.all(background)
  }
  await take()
  expectAtMost(STEP_COMMANDS.jobAlone, await redis.count(take))
})
