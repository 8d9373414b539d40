/** What a broker says that it has spent, against what the server has counted. */
import { afterAll, expect, test } from 'bun:test'
import { createWorker, defineApp, defineTask, fixed, type WorkerTotals } from 'tq-edge'
import { createBeat, every } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { job, jobs, lane, succeed } from '../contract/verbs.ts'
import { type Bench, type Meter, startMeter, whyNotCounted } from './meter.ts'

const meter: Meter | undefined = whyNotCounted ? undefined : await startMeter()
afterAll(() => meter?.close())

function counts(name: string, run: (meter: Meter) => Promise<void>): void {
  if (meter) test(name, () => run(meter), 20_000)
  else test.skip(`${name} (${whyNotCounted})`, () => {})
}

/** What `rest` costs. */
const MARK = 1

const spentBy = (broker: Broker) => broker.commandsSpent?.() ?? Number.NaN

const SCHEDULE = { name: 'often', app: 'app', definition: '{}', dueAtMs: 5, incarnation: 'i', stampMs: 1 }

/** Every call of the contract, with what makes its script take another way. */
async function everyCall(broker: Broker): Promise<void> {
  const by = lane(broker)
  await broker.check?.()
  await broker.enqueue([job('one'), job('ranked', { priority: 3 }), job('timed', { delayMs: 60_000 })])
  await broker.enqueue([job('one'), job('another')])
  await broker.enqueue(jobs(300))
  const held = await by.claim(50)
  await by.claim(50, { settle: held.map((claimed) => succeed(claimed)) })
  await by.claim(1_000, { waitMs: 60_000 })
  await by.claim(1, { waitMs: 60_000 })
  await broker.get(['one', 'another', 'unknown'])
  await broker.get(['timed'], { waiter: 'somebody', waitMs: 1_000 })
  await broker.list({ limit: 100 })
  await broker.stats()
  const presence = { app: 'app', runtime: 'test', startedAtMs: 5 }
  for (const beat of ['beat.1', 'beat.2']) await broker.schedules({ presence: { beat, ...presence } })
  await broker.beats()
  await broker.cancel(['timed', 'unknown', held[0]?.id ?? ''])
  await broker.retry([{ id: 'timed', epoch: 0 }])
  await broker.remove(['ranked', 'timed'])
  await broker.setPaused('default', true, 0)
  await broker.setPaused('default', false, 1)
  await broker.setSchedules([{ kind: 'set', ...SCHEDULE }])
  await broker.fire([{ schedule: 'often', revision: 1, dueAtMs: 5, nextDueAtMs: 9, job: job('tick') }])
  await broker.setSchedules([{ kind: 'set', ...SCHEDULE, name: 'ahead' }])
  const dueAtMs = Date.now() + 600_000
  await broker.fire([
    { schedule: 'ahead', revision: 1, dueAtMs: 5, nextDueAtMs: dueAtMs, job: job('due') },
    { schedule: 'ahead', revision: 1, dueAtMs, nextDueAtMs: null, job: job('ahead', { dueAtMs }) },
  ])
  await broker.setSchedules([{ kind: 'remove', name: 'ahead', app: 'app', stampMs: 2 }])
  await broker.schedules()
  await broker.schedules({ due: true, app: 'app' })
  await broker.peek?.({ queues: ['default'] })
  for (const calls of [1, 1]) await broker.countCall([{ key: 'somebody', calls, windowMs: 60_000 }])
  await broker.prune()
}

/** A worker and a beat, from their start to their end; two of its jobs fail, and are tried again. */
async function runApp({ broker, rest }: Bench): Promise<WorkerTotals> {
  const task = defineTask({ name: 'work', run: (input) => input })
  const retry = { maxAttempts: 2, backoff: fixed({ delayMs: 1 }) }
  const fail = defineTask({ name: 'fail', retry, run: () => Promise.reject(new Error('no')) })
  const app = defineApp({ tasks: [task, fail], schedules: [every('often', '4w', { task })] })
  const worker = createWorker({ app, broker })
  const beat = createBeat({ app, broker, stampMs: 1 })
  const done = Promise.all([worker.run(), beat.run()])
  await broker.enqueue([job('bad', { task: 'fail' }), job('worse', { task: 'fail' }), job('good', { task: 'work' })])
  await rest()
  beat.stop()
  worker.stop()
  const [totals] = await done
  await broker.close()
  return totals
}

counts('what a broker says it has spent is what the server has counted, of every call', async (redis) => {
  // The first one sends the scripts, the second finds them there.
  for (const { broker } of [redis.open(), redis.open()]) {
    const { total } = await redis.count(() => everyCall(broker))
    expect(spentBy(broker)).toBe(total)
  }
})

counts('and of a worker and a beat, from start to end, which its totals say', async (redis) => {
  const bench = redis.open()
  let totals: WorkerTotals | undefined
  const { total, by } = await redis.count(async () => {
    totals = await runApp(bench)
  })
  expect(by.subscribe).toBe(1)
  // Less what the gateway does by itself: it looks at its Redis before it subscribes, and unsubscribes when nobody listens.
  const ofTheGateway = (by.info ?? 0) - 2 + (by.unsubscribe ?? 0)
  expect(spentBy(bench.broker)).toBe(total - ofTheGateway - MARK)
  expect(totals?.commands).toBe(spentBy(bench.broker))
})
