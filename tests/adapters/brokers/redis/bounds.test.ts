/** What is the most that one request, one reply, one command of a script and one key may hold: docs/redis.md names them. */
import { expect } from 'bun:test'
import { type RedisBrokerOptions, redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import type { Broker, ClaimedJob } from '../../../../src/broker.ts'
import { createClient, createWorker, defineApp, defineTask, fixed, type JobContext } from '../../../../src/index.ts'
import { fail, HOUR_MS, job, jobs, lane, retryIn, succeed } from '../../../contract/verbs.ts'
import { createVirtualClock, VIRTUAL_START_MS } from '../../../support/clock.ts'
import type { ScriptChange } from '../../../support/script-changes.ts'
import { startSizeMeter } from '../../../support/size-meter.ts'
import { endsWithTheTests, eventually, startStore, TOKEN, withRedis } from './support.ts'

/** Upstash's, per command and direction; our gateway's, per body. */
const MAX_BYTES = 10 * 1_048_576
const MIB = 1_048_576
/** As JSON inside JSON it takes twice its bytes, which is the worst that a JSON text can do. */
const worst = (bytes: number) => `"${'\\"'.repeat((bytes - 2) / 2)}"`
const plain = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`
/** The longest that a name may be, in the widest characters. */
const longest = (at: number) => `${'🦜'.repeat(190)}${String(at).padStart(10, '0')}`
const NUMBERS = (count: number) => Array.from({ length: count }, (_, at) => at)

async function setUp(options: Partial<RedisBrokerOptions> = {}, changes: readonly ScriptChange[] = []) {
  const store = await startStore()
  const clock = createVirtualClock()
  const send = (...command: readonly string[]) => store.send(...command)
  const meter = await startSizeMeter(store.url, send, 'tq', changes)
  const broker = redisBroker({ url: meter.url, token: TOKEN, clock, ownTime: true, subscribe: false, ...options })
  endsWithTheTests(async () => {
    await broker.close()
    await meter.stop()
  })
  return { store, clock, broker, meter, by: lane(broker), client: createClient({ broker, clock }) }
}
type Setting = Awaited<ReturnType<typeof setUp>>

/** Fails with the figures of what was too large. */
async function expectWithin({ meter }: Setting): Promise<void> {
  const largest = await meter.take()
  expect(meter.missed()).toEqual([])
  expect(largest.request).toBeGreaterThan(0)
  for (const [what, bytes] of Object.entries(largest))
    expect([what, Math.max(bytes, MAX_BYTES)]).toEqual([what, MAX_BYTES])
}

/** Claims and settles until nothing is left. */
async function drain({ by }: Setting, result: string, count = 1): Promise<void> {
  for (let held = await by.claim(count); held.length > 0; held = await by.claim(count))
    for (const claimed of held) await by.settle(succeed(claimed, result))
}

const stored = async (broker: Broker, ids: readonly string[]) =>
  (await broker.get(ids)).filter((record) => record !== null).length

withRedis('enqueueing a thousand jobs with the largest inputs, ids and queues', async () => {
  const setting = await setUp()
  const requests = NUMBERS(1_000).map((at) => ({
    task: 't'.repeat(200),
    input: '"'.repeat(1_950),
    options: { id: longest(at), queue: longest(at) },
  }))
  await setting.client.enqueueMany(requests)
  await expectWithin(setting)
  expect(
    await stored(
      setting.broker,
      requests.map(({ options }) => options.id),
    ),
  ).toBe(1_000)
  await setting.client.enqueueMany(
    NUMBERS(12).map((at) => ({ task: 'work', input: '"'.repeat(MIB / 2 - 1), options: { id: `large-${at}` } })),
  )
  await expectWithin(setting)
})

withRedis('enqueueing again what has long finished with large results', async () => {
  const setting = await setUp()
  const again = jobs(40)
  await setting.broker.enqueue(again)
  await drain(setting, plain(400_000))
  await setting.meter.take()
  expect(new Set(await setting.broker.enqueue(again))).toEqual(new Set(['existing']))
  await expectWithin(setting)
})

withRedis('claiming a thousand jobs just below the size that is counted, some large ones among them', async () => {
  const setting = await setUp()
  const { broker, by } = setting
  for (const size of [3_850, 100_000, 3_850])
    await broker.enqueue(
      NUMBERS(size > 4_000 ? 30 : 480).map((at) =>
        job(`${size}-${at}-${by.seq}-${Math.random()}`, { input: plain(size) }),
      ),
    )
  await setting.meter.take()
  const taken: number[] = []
  for (let held = await by.claim(1_000); held.length > 0; held = await by.claim(1_000)) {
    taken.push(held.reduce((sum, { input }) => sum + input.length, 0))
    await by.settle(...held.map((claimed) => succeed(claimed)))
  }
  await expectWithin(setting)
  expect(Math.max(...taken)).toBeLessThanOrEqual(4_000_000)
})

withRedis('claiming jobs that are small but have failed with large errors', async () => {
  const setting = await setUp()
  const { broker, by, clock } = setting
  const error = { name: 'E', message: 'm'.repeat(2_000), stack: 's'.repeat(8_000) }
  await broker.enqueue(jobs(900))
  for (const claimed of NUMBERS(3)) {
    const held = await by.claim(300)
    expect([claimed, held.length]).toEqual([claimed, 300])
    await by.settle(...held.map((one) => ({ ...retryIn(one, 1_000), error })))
  }
  await clock.advance(1_000)
  await setting.meter.take()
  let taken = 0
  for (let held = await by.claim(1_000); held.length > 0; held = await by.claim(1_000)) {
    expect(held.length).toBeLessThan(500)
    taken += held.length
  }
  expect(taken).toBe(900)
  expect((await setting.meter.take()).reply).toBeLessThan(5_000_000)
})

withRedis('a worker with many large jobs, results and progress: what it settles and extends', async () => {
  const setting = await setUp()
  const { broker, clock, client } = setting
  const COUNT = 300
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const held: JobContext[] = []
  const app = defineApp({
    tasks: [
      defineTask({
        name: 'work',
        timeoutMs: HOUR_MS,
        retry: { maxAttempts: 2, backoff: fixed({ delayMs: 1 }) },
        async run(_, running) {
          if (running.attempt === 1) throw new Error('\u0007'.repeat(2_000))
          held.push(running)
          await opened
          return '"'.repeat(held.indexOf(running) % 2 ? 1 : 25_000)
        },
      }),
    ],
  })
  await client.enqueueMany(
    NUMBERS(COUNT).map((at) => ({ task: 'work', input: '"'.repeat(50_000), options: { id: `job-${at}` } })),
  )
  const worker = createWorker({ app, broker, clock, concurrency: COUNT, lanes: 1, leaseMs: 600_000 })
  const done = worker.run()
  // In small steps: a call that a busy machine takes long for is not to be given up by virtual time.
  await eventually(async () => {
    await clock.advance(100)
    return held.length === COUNT
  })
  // Progress is told and all leases are extended, and extended again when a third of them has passed.
  for (const running of held) running.progress('"'.repeat(2_047))
  for (const _ of NUMBERS(30)) await clock.advance(10_000)
  await expectWithin(setting)
  open()
  await eventually(async () => {
    await clock.advance(100)
    return (await broker.stats()).queues.every(({ counts }) => (counts.active ?? 0) + (counts.queued ?? 0) === 0)
  })
  worker.stop()
  expect(await done).toMatchObject({ succeeded: COUNT, late: 0 })
  await expectWithin(setting)
})

withRedis('reading and listing many jobs of almost a MiB each', async () => {
  const setting = await setUp()
  const { broker } = setting
  const ids = NUMBERS(32).map((at) => `job-${at}`)
  for (const id of ids) await broker.enqueue([job(id, { input: worst(MIB - 2_000) })])
  await setting.meter.take()
  expect(await stored(broker, ids)).toBe(32)
  expect(await stored(broker, ids.slice(0, 20))).toBe(20)
  expect((await broker.get(ids, { waiter: 'me' })).length).toBe(32)
  expect((await setting.meter.take()).inner).toBeLessThan(MAX_BYTES)
  const listed = new Set<string>()
  let pages = 0
  for (let cursor: string | null | undefined; cursor !== null; pages++) {
    const page = await broker.list({ limit: 1_000, ...(cursor ? { cursor } : {}) })
    for (const { id } of page.jobs) listed.add(id)
    expect(page.jobs.length).toBeLessThanOrEqual(8)
    cursor = page.cursor
  }
  expect([listed.size, pages > 3]).toEqual([32, true])
})

withRedis('sweeping the records of large results, and of large inputs that failed', async () => {
  const setting = await setUp()
  const { broker, by, clock, store } = setting
  for (const [at, size] of [10_000, 20_000, 60_000].entries())
    for (const part of NUMBERS(4))
      await broker.enqueue(jobs(Math.min(50, 1_900_000 / size), `job-${at}-${part}`, { input: plain(size) }))
  for (let held = await by.claim(50); held.length > 0; held = await by.claim(50))
    await by.settle(...held.map((one: ClaimedJob, at) => (at % 2 ? succeed(one, one.input) : fail(one))))
  await clock.advance(3 * HOUR_MS)
  await setting.meter.take()
  while ((await broker.prune()) > 0);
  expect((await setting.meter.take()).inner).toBeLessThan(MAX_BYTES)
  expect(await store.send('KEYS', '{tq}:j:*')).toEqual([])
  expect(await store.send('KEYS', '{tq}:q:*:f')).toEqual([])
})

withRedis('leases of large jobs that have ended are looked at one by one', async () => {
  const setting = await setUp()
  const { broker, by, clock } = setting
  for (const id of NUMBERS(6)) await broker.enqueue([job(`job-${id}`, { input: plain(4 * MIB) })])
  for (const _ of NUMBERS(6)) await by.claimOne()
  await clock.advance(HOUR_MS)
  await setting.meter.take()
  expect((await by.claim(10)).length).toBe(1)
  await expectWithin(setting)
})

withRedis('reading schedules with large definitions, all and those that are due', async () => {
  const setting = await setUp()
  const { broker } = setting
  const COUNT = 40
  const schedule = { kind: 'set', app: 'app', incarnation: 'i', stampMs: 1 } as const
  const of = (at: number) => ({
    ...schedule,
    name: `s-${at}`,
    definition: worst(500_000),
    dueAtMs: VIRTUAL_START_MS - COUNT + at,
  })
  for (const at of NUMBERS(COUNT)) await broker.setSchedules([of(at)])
  await setting.meter.take()
  expect((await broker.schedules()).schedules.length).toBe(COUNT)
  const due = (await broker.schedules({ due: true, app: 'app' })).schedules
  expect(due.map(({ name }) => name)).toEqual(NUMBERS(7).map((at) => `s-${at}`))
  await expectWithin(setting)
})

withRedis('statistics of as many queues and workers as there may be', async () => {
  const setting = await setUp()
  const { broker, meter, store } = setting
  await store.send('SADD', '{tq}:queues', ...NUMBERS(10_000).map(longest))
  const queues = NUMBERS(1_000).map(longest)
  const presence = { worker: 'w', queues, concurrency: 1, running: 0, runtime: 'test', startedAtMs: 0 }
  await lane(broker, 'worker.0').exchange({ presence, queues: ['default'] })
  const text = String(await store.send('HGET', '{tq}:workers', 'worker.0'))
  for (const from of NUMBERS(20))
    await store.send('HSET', '{tq}:workers', ...NUMBERS(100).flatMap((at) => [`${longest(from * 100 + at)}`, text]))
  const { queues: counted, workers } = await broker.stats()
  expect([counted.length, workers.length, workers[0]?.queues]).toEqual([10_000, 1, queues.slice(0, 3)])
  expect((await broker.list({ queue: 'none' })).jobs).toEqual([])
  await expectWithin(setting)
  expect((await meter.take()).request).toBe(0)
})

withRedis('no more queues than may be counted: a further one is full, and those that are there go on', async () => {
  const { broker } = await setUp({}, [['MAX_QUEUES = 10000', 'MAX_QUEUES = 2']])
  const outcomes: string[] = []
  for (const queue of ['a', 'b', 'c', 'a', 'c'])
    outcomes.push(...(await broker.enqueue([job(`job-${outcomes.length}`, { queue })])))
  expect(outcomes).toEqual(['created', 'created', 'full', 'created', 'full'])
  expect((await broker.stats()).queues.length).toBe(2)
})

withRedis('of jobs with a priority fewer may wait than of others: their entries are longer', async () => {
  const { broker, client } = await setUp({}, [['MAX_PRIORITIZED = 500000', 'MAX_PRIORITIZED = 2']])
  await client.enqueueMany(['a', 'b'].map((id) => ({ task: 'work', options: { id, priority: 1 } })))
  await expect(client.enqueue('work', null, { id: 'c', priority: -1 })).rejects.toMatchObject({ name: 'QueueFull' })
  expect(await stored(broker, ['a', 'b', 'c'])).toBe(2)
})

withRedis('of jobs with long ids fewer may wait, by the square of the length', async () => {
  const { broker } = await setUp({}, [
    ['MAX_READY = 1000000', 'MAX_READY = 100'],
    ['MAX_PRIORITIZED = 500000', 'MAX_PRIORITIZED = 50'],
  ])
  const long = (at: number, bytes: number) => String(at).padStart(bytes, 'i')
  const outcomes = async (bytes: number, count: number, given = {}) =>
    new Set(await broker.enqueue(NUMBERS(count).map((at) => job(long(at, bytes), { queue: `q-${bytes}`, ...given }))))
  expect(await outcomes(48, 101)).toEqual(new Set(['full']))
  expect(await outcomes(48, 100)).toEqual(new Set(['created']))
  expect(await outcomes(96, 26)).toEqual(new Set(['full']))
  expect(await outcomes(96, 25)).toEqual(new Set(['created']))
  expect(await outcomes(97, 13, { delayMs: 1_000 })).toEqual(new Set(['full']))
  expect(await outcomes(97, 12, { delayMs: 1_000 })).toEqual(new Set(['created']))
})

withRedis('a small bound is the same for ids of any length', async () => {
  const { broker } = await setUp({ maxReady: 2 })
  const ids = ['a', 'b', 'c'].map((id) => id.repeat(200))
  const outcomes = []
  for (const id of ids) outcomes.push(...(await broker.enqueue([job(id)])))
  expect(outcomes).toEqual(['created', 'created', 'full'])
})

withRedis('of failed jobs the oldest give way in the list of them; their records stay', async () => {
  const { broker, by, store } = await setUp({}, [['MAX_FAILED = 100000', 'MAX_FAILED = 3']])
  for (const at of NUMBERS(5)) {
    await broker.enqueue([job(`job-${at}`)])
    await by.settle(fail(await by.claimOne()))
  }
  expect(await store.send('ZRANGE', '{tq}:q:default:f', 0, -1)).toEqual(['job-2', 'job-3', 'job-4'])
  expect((await broker.list({ states: ['failed'] })).jobs.length).toBe(5)
  expect(await broker.retry([{ id: 'job-0', epoch: 1 }])).toEqual(['queued'])
})

withRedis('workers that have gone make room, and beyond the most that are shown a worker is not', async () => {
  const { broker, clock } = await setUp({}, [['MAX_WORKERS = 2000', 'MAX_WORKERS = 3']])
  const come = async (name: string) => {
    const presence = { worker: name, queues: ['default'], concurrency: 1, running: 0, runtime: 'test', startedAtMs: 0 }
    await lane(broker, `${name}.0`).exchange({ presence })
  }
  const seen = async () => (await broker.stats()).workers.map(({ worker }) => worker).sort()
  for (const name of ['a', 'b', 'c', 'd']) await come(name)
  expect(await seen()).toEqual(['a', 'b', 'c'])
  await clock.advance(120_000)
  await come('e')
  expect(await seen()).toEqual(['e'])
})

withRedis('no more waiters of one job are remembered than a record has room for', async () => {
  const { broker, store } = await setUp()
  await broker.enqueue([job('awaited')])
  for (const at of NUMBERS(200)) await broker.get(['awaited'], { waiter: `result.${String(at).padStart(36, '0')}` })
  expect(await store.send('STRLEN', '{tq}:j:awaited')).toBeLessThan(5_000)
})

withRedis('promoting, cancelling, replaying, purging and removing the largest jobs', async () => {
  const setting = await setUp()
  const { broker } = setting
  const large = NUMBERS(20).map((at) => job(longest(at), { input: plain(MIB), delayMs: HOUR_MS }))
  const ids = large.map(({ id }) => id)
  const refs = async () => (await broker.get(ids)).map((one) => ({ id: one?.id ?? '', epoch: one?.epoch ?? 0 }))
  for (const one of large) await broker.enqueue([one])
  const outcomes = async (changed: Promise<readonly string[]>) => [...new Set(await changed)]
  expect(await outcomes(broker.promote(await refs()))).toEqual(['queued'])
  expect(await outcomes(broker.cancel(ids))).toEqual(['cancelled'])
  expect(await outcomes(broker.retry(await refs()))).toEqual(['queued'])
  expect(await outcomes(broker.remove(ids.slice(0, 5)))).toEqual(['removed'])
  let removed = 0
  for (let revision = 0, more = true; more; revision++) {
    const purged = await broker.purge('default', revision)
    removed += purged.removed
    more = purged.more
  }
  expect(removed).toBe(15)
  await expectWithin(setting)
})
