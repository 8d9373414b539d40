import assert from 'node:assert/strict'
import type { Broker } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import { HOUR_MS, idsOf, job, jobs, lane, pruneAll, read, stateOf, succeed } from '../verbs.ts'

const SECOND_MS = 1_000
const REJECT = { maxReady: 3, maxTimed: 2 }
const DROP = { ...REJECT, whenFull: 'drop-oldest' } as const

const queued = async (broker: Broker) =>
  (await broker.stats()).queues.reduce((sum, { counts }) => sum + (counts.queued ?? 0), 0)
const ids = (...names: readonly string[]) => names.map((name) => job(name))
const statesOf = (broker: Broker, ...names: readonly string[]) =>
  Promise.all(names.map((name) => stateOf(broker, name)))

const rejects: readonly Case[] = [
  {
    name: 'a queue takes as many jobs as it may hold, and one more once a worker has taken one',
    bounds: REJECT,
    async run({ broker }) {
      assert.deepEqual(await broker.enqueue(jobs(3)), ['created', 'created', 'created'])
      assert.deepEqual(await broker.enqueue([job('more')]), ['full'])
      assert.equal(await stateOf(broker, 'more'), null)
      await lane(broker).claimOne()
      assert.deepEqual(await broker.enqueue([job('more')]), ['created'])
      assert.deepEqual(await broker.enqueue([job('again')]), ['full'])
    },
  },
  {
    name: 'of a batch that its queue cannot hold nothing is stored; the jobs of other queues are',
    bounds: REJECT,
    async run({ broker }) {
      await broker.enqueue(ids('a', 'b'))
      const batch = [job('c'), job('elsewhere', { queue: 'other' }), job('d'), job('a'), job('c')]
      assert.deepEqual(await broker.enqueue(batch), ['full', 'created', 'full', 'existing', 'full'])
      assert.deepEqual(await statesOf(broker, 'a', 'b', 'c', 'd', 'elsewhere'), [
        ...['queued', 'queued', null, null],
        'queued',
      ])
    },
  },
  {
    name: 'two queues that are full refuse their own jobs, and no others',
    bounds: REJECT,
    async run({ broker }) {
      const of = (queue: string) => jobs(4, queue, { queue })
      const batch = [...of('one'), ...of('two'), job('a')]
      const outcomes = await broker.enqueue(batch)
      assert.deepEqual([new Set(outcomes.slice(0, 8)), outcomes[8]], [new Set(['full']), 'created'])
      assert.deepEqual(idsOf((await broker.list({})).jobs), ['a'])
    },
  },
  {
    name: 'jobs that are there already take no room again',
    bounds: REJECT,
    async run({ broker }) {
      await broker.enqueue(ids('a', 'b'))
      assert.deepEqual(await broker.enqueue(ids('a', 'b', 'c')), ['existing', 'existing', 'created'])
      assert.deepEqual(await broker.enqueue(ids('a', 'b', 'c')), ['existing', 'existing', 'existing'])
    },
  },
  {
    name: 'jobs that are due later have a bound of their own, and what falls due is not refused',
    bounds: REJECT,
    async run({ broker, clock }) {
      const later = jobs(3, 'later', { delayMs: SECOND_MS })
      assert.deepEqual(await broker.enqueue(later.slice(0, 2)), ['created', 'created'])
      assert.deepEqual(await broker.enqueue([later[2] as (typeof later)[0]]), ['full'])
      assert.deepEqual(await broker.enqueue(jobs(3)), ['created', 'created', 'created'])
      await clock.advance(SECOND_MS)
      assert.equal((await lane(broker).claim(10)).length, 5)
    },
  },
  {
    name: 'jobs with a priority are bounded by themselves',
    bounds: REJECT,
    async run({ broker }) {
      const urgent = jobs(4, 'urgent', { priority: 5 })
      assert.deepEqual(new Set(await broker.enqueue(urgent)), new Set(['full']))
      assert.deepEqual(new Set(await broker.enqueue(urgent.slice(1))), new Set(['created']))
      assert.deepEqual(await broker.enqueue([job('low', { priority: -1 })]), ['full'])
      assert.deepEqual(new Set(await broker.enqueue(jobs(3))), new Set(['created']))
    },
  },
  {
    name: 'a tick whose queue is full stays due, and is fired once there is room',
    bounds: REJECT,
    async run({ broker }) {
      const schedule = { name: 'often', app: 'app', definition: '{}', dueAtMs: 5, incarnation: 'i', stampMs: 1 }
      await broker.setSchedules([{ kind: 'set', ...schedule }])
      await broker.enqueue(jobs(3))
      const tick = { schedule: 'often', revision: 1, dueAtMs: 5, nextDueAtMs: 9, job: job('tick') }
      assert.deepEqual(await broker.fire([tick]), ['full'])
      assert.deepEqual([await stateOf(broker, 'tick'), (await broker.schedules()).schedules[0]?.dueAtMs], [null, 5])
      await lane(broker).claimOne()
      assert.deepEqual(await broker.fire([tick]), ['fired'])
      assert.deepEqual([await stateOf(broker, 'tick'), (await broker.schedules()).schedules[0]?.dueAtMs], ['queued', 9])
      assert.deepEqual(await broker.fire([tick]), ['existing'])
    },
  },
]

const drops: readonly Case[] = [
  {
    name: 'a full queue that drops takes a new job and cancels the oldest that waits, saying why',
    bounds: DROP,
    async run({ broker, clock }) {
      await broker.enqueue(ids('a', 'b', 'c'))
      assert.deepEqual(await broker.enqueue([job('d')]), ['created'])
      const { state, error, finishedAtMs, attempts } = await read(broker, 'a')
      assert.deepEqual([state, error?.name, finishedAtMs, attempts], ['cancelled', 'QueueFull', clock.now(), 0])
      assert.match(error?.message ?? '', /the oldest was dropped/)
      assert.deepEqual(idsOf(await lane(broker).claim(10)), ['b', 'c', 'd'])
    },
  },
  {
    name: 'the same enqueue sent again drops nothing more',
    bounds: DROP,
    async run({ broker }) {
      await broker.enqueue(ids('a', 'b', 'c'))
      await broker.enqueue(ids('d', 'e'))
      assert.deepEqual(await broker.enqueue(ids('d', 'e')), ['existing', 'existing'])
      assert.deepEqual(await broker.enqueue(ids('a', 'b', 'c')), ['existing', 'existing', 'existing'])
      assert.deepEqual(await statesOf(broker, 'a', 'b', 'c', 'd', 'e'), [
        ...['cancelled', 'cancelled'],
        ...['queued', 'queued', 'queued'],
      ])
    },
  },
  {
    name: 'of a batch larger than its queue the last jobs stay, and all have been created',
    bounds: DROP,
    async run({ broker }) {
      await broker.enqueue([job('before')])
      const many = jobs(120)
      assert.deepEqual(new Set(await broker.enqueue(many)), new Set(['created']))
      assert.deepEqual([await stateOf(broker, 'before'), await queued(broker)], ['cancelled', 3])
      assert.deepEqual(idsOf(await lane(broker).claim(10)), idsOf(many.slice(-3)))
      assert.deepEqual(new Set(await broker.enqueue(many)), new Set(['existing']))
    },
  },
  {
    name: 'a dropped job leaves its id for an hour, so that a late copy of its enqueue creates nothing',
    bounds: DROP,
    async run({ broker, clock }) {
      await broker.enqueue(ids('a', 'b', 'c', 'd'))
      await clock.advance(HOUR_MS - SECOND_MS)
      await pruneAll(broker)
      assert.deepEqual(await broker.enqueue([job('a'), job('a', { input: '2' })]), ['existing', 'conflict'])
      await clock.advance(20 * SECOND_MS)
      assert.equal(await stateOf(broker, 'a'), null)
      assert.equal(await broker.prune(), 1)
      assert.deepEqual(await broker.enqueue([job('a')]), ['created'])
    },
  },
  {
    name: 'a job that was cancelled while it waited is not dropped as well',
    bounds: DROP,
    async run({ broker }) {
      await broker.enqueue(ids('a', 'b', 'c'))
      await broker.cancel(['a'])
      await broker.enqueue([job('d')])
      assert.deepEqual([(await read(broker, 'a')).error, await queued(broker)], [null, 3])
    },
  },
  {
    name: 'any number of jobs that are due later drop none, and are not dropped',
    bounds: { maxReady: 1, maxTimed: 5, whenFull: 'drop-oldest' },
    async run({ broker }) {
      await broker.enqueue([job('a'), ...jobs(5, 'later', { delayMs: 60_000 })])
      const [stats] = (await broker.stats()).queues
      assert.deepEqual([stats?.counts.queued, stats?.counts.scheduled], [1, 5])
    },
  },
  {
    name: 'what a worker holds is not dropped, and takes no room',
    bounds: DROP,
    async run({ broker }) {
      await broker.enqueue(ids('a', 'b', 'c'))
      const worker = lane(broker)
      const held = await worker.claimOne()
      assert.deepEqual(await broker.enqueue(ids('d', 'e')), ['created', 'created'])
      assert.deepEqual(await statesOf(broker, 'a', 'b', 'c'), ['active', 'cancelled', 'queued'])
      assert.deepEqual((await worker.settle(succeed(held))).late, [])
      assert.equal(await stateOf(broker, 'a'), 'succeeded')
    },
  },
  {
    name: 'of jobs with a priority the lowest are dropped, the oldest first; others are left alone',
    bounds: DROP,
    async run({ broker, clock }) {
      await broker.enqueue(jobs(3))
      for (const [id, priority] of Object.entries({ high: 9, low: -2, middle: 5 })) {
        await broker.enqueue([job(id, { priority })])
        await clock.advance(1)
      }
      await broker.enqueue([job('new', { priority: 5 })])
      assert.deepEqual(await statesOf(broker, 'low', 'middle', 'high', 'new'), [
        ...['cancelled', 'queued'],
        ...['queued', 'queued'],
      ])
      await clock.advance(1)
      await broker.enqueue([job('newest', { priority: 7 })])
      assert.deepEqual(await statesOf(broker, 'middle', 'new', 'high', 'job-0000'), [
        ...['cancelled', 'queued'],
        ...['queued', 'queued'],
      ])
    },
  },
  {
    name: 'a full queue drops none of another queue, and none that is due later: more of those are refused',
    bounds: DROP,
    async run({ broker }) {
      await broker.enqueue([...jobs(3), ...jobs(3, 'other', { queue: 'other' })])
      const later = { delayMs: 60_000 }
      assert.deepEqual(await broker.enqueue(jobs(2, 'later', later)), ['created', 'created'])
      assert.deepEqual(await broker.enqueue([job('too-late', later)]), ['full'])
      await broker.enqueue([job('more')])
      const counts = (await broker.stats()).queues.map(({ queue, counts: { queued, scheduled } }) => ({
        ...{ queue, queued, scheduled },
      }))
      assert.deepEqual(counts, [
        { queue: 'default', queued: 3, scheduled: 2 },
        { queue: 'other', queued: 3, scheduled: undefined },
      ])
    },
  },
  {
    name: 'a tick of a full queue that drops is fired, and drops',
    bounds: DROP,
    async run({ broker }) {
      const schedule = { name: 'often', app: 'app', definition: '{}', dueAtMs: 5, incarnation: 'i', stampMs: 1 }
      await broker.setSchedules([{ kind: 'set', ...schedule }])
      await broker.enqueue(ids('a', 'b', 'c'))
      const tick = { schedule: 'often', revision: 1, dueAtMs: 5, nextDueAtMs: 9, job: job('tick') }
      assert.deepEqual(await broker.fire([tick, tick]), ['fired', 'existing'])
      assert.deepEqual(await statesOf(broker, 'a', 'b', 'tick'), ['cancelled', 'queued', 'queued'])
    },
  },
  {
    name: 'who waits for a job is hinted when it is dropped',
    needs: 'wake',
    bounds: DROP,
    async run({ broker }) {
      await broker.enqueue(ids('a', 'b', 'c'))
      const hint = Promise.withResolvers<void>()
      await broker.wake?.listen('waiter', () => hint.resolve())
      await broker.get(['a'], { waiter: 'waiter', waitMs: 60_000 })
      await broker.enqueue([job('d')])
      await hint.promise
    },
  },
  {
    name: 'a dropped job can be replayed',
    bounds: DROP,
    async run({ broker }) {
      await broker.enqueue(ids('a', 'b', 'c', 'd'))
      const worker = lane(broker)
      assert.equal((await worker.claim(10)).length, 3)
      assert.deepEqual(await broker.retry([{ id: 'a', epoch: (await read(broker, 'a')).epoch }]), ['queued'])
      assert.equal((await worker.claimOne()).id, 'a')
    },
  },
]

export const fullCases: readonly Case[] = [...rejects, ...drops]
