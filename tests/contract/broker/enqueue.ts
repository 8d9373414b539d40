import assert from 'node:assert/strict'
import type { Case } from '../subject.ts'
import {
  active,
  cancelled,
  fail,
  finished,
  HOUR_MS,
  idsOf,
  job,
  jobs,
  lane,
  pruneAll,
  read,
  succeed,
} from '../verbs.ts'

const SECOND_MS = 1_000

export const enqueueCases: readonly Case[] = [
  {
    name: 'enqueue answers one outcome per job, and the job is queued',
    async run({ broker }) {
      assert.deepEqual(await broker.enqueue([job('a'), job('b')]), ['created', 'created'])
      const { state, attempts, lost, result, error, progress, ...record } = await read(broker, 'a')
      assert.deepEqual(
        { state, attempts, lost, result, error, progress },
        { state: 'queued', attempts: 0, lost: 0, result: null, error: null, progress: null },
      )
      assert.equal(record.task, 'digest')
      assert.equal(record.queue, 'default')
      assert.equal(record.input, '{"of":"a"}')
      assert.equal(record.createdAtMs, 1_000)
    },
  },
  {
    name: 'the same job enqueued again is existing and stays one job',
    async run({ broker }) {
      await broker.enqueue([job('a')])
      assert.deepEqual(await broker.enqueue([job('a'), job('b'), job('b')]), ['existing', 'created', 'existing'])
      assert.deepEqual(idsOf(await lane(broker).claim(10)), ['a', 'b'])
    },
  },
  {
    name: 'the same id with another input or task is a conflict and overwrites nothing',
    async run({ broker }) {
      await broker.enqueue([job('a')])
      assert.deepEqual(await broker.enqueue([job('a', { input: '2' }), job('a', { task: 'other' })]), [
        'conflict',
        'conflict',
      ])
      const { task, input } = await read(broker, 'a')
      assert.deepEqual([task, input], ['digest', '{"of":"a"}'])
    },
  },
  {
    name: 'a job that one call names twice is created once, and another input under its id overwrites nothing',
    async run({ broker }) {
      const other = { input: '"other"' }
      const outcomes = await broker.enqueue([job('a'), job('b'), job('a'), job('b', other)])
      assert.deepEqual(outcomes, ['created', 'created', 'existing', 'conflict'])
      assert.equal((await read(broker, 'b')).input, job('b').input)
      const later = { delayMs: 1_000, priority: 1 }
      assert.deepEqual(await broker.enqueue([job('c', later), job('c', later)]), ['created', 'existing'])
    },
  },
  {
    name: 'the same id with another input is a conflict also while the job is active and after it has finished',
    async run({ broker }) {
      const worker = lane(broker)
      const claimed = await active(broker, worker, 'a')
      assert.deepEqual(await broker.enqueue([job('a', { input: '2' })]), ['conflict'])
      await worker.settle(succeed(claimed))
      assert.deepEqual(await broker.enqueue([job('a', { input: '2' })]), ['conflict'])
    },
  },
  ...stubCases(),
  {
    name: 'an id is free again once its stub is over',
    async run({ broker, clock }) {
      await finished(broker, lane(broker), 'a')
      await clock.advance(HOUR_MS + SECOND_MS)
      await pruneAll(broker)
      assert.deepEqual(await broker.enqueue([job('a', { input: '2' })]), ['created'])
    },
  },
  {
    name: 'a batch of 1,000 goes in one call and keeps its order',
    async run({ broker }) {
      const many = jobs(1_000)
      assert.deepEqual(new Set(await broker.enqueue(many)), new Set(['created']))
      assert.deepEqual(new Set(await broker.enqueue(many)), new Set(['existing']))
      assert.deepEqual(idsOf(await lane(broker).claim(1_000)), idsOf(many))
    },
  },
  {
    name: 'a batch of which some are there already creates the others, in order',
    async run({ broker }) {
      const many = jobs(120)
      await broker.enqueue([many[7] as (typeof many)[0], many[80] as (typeof many)[0]])
      const outcomes = await broker.enqueue(many)
      const existing = outcomes.flatMap((outcome, at) => (outcome === 'existing' ? [at] : []))
      assert.deepEqual(existing, [7, 80])
      assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 118)
    },
  },
  {
    name: 'references in the place of an input and a result are kept as they are, with the envelope’s version',
    async run({ broker }) {
      const [input, result] = ['input', 'result'].map((kind) => `blob:${kind}/${'0'.repeat(64)} 2000000`)
      await broker.enqueue([job('a', { v: 2, input: input as string })])
      const worker = lane(broker)
      const claimed = await worker.claimOne()
      assert.deepEqual([claimed.v, claimed.input], [2, input])
      await worker.settle(succeed(claimed, result))
      assert.equal((await read(broker, 'a')).result, result)
    },
  },
  {
    name: 'an empty batch is answered with nothing',
    async run({ broker }) {
      assert.deepEqual(await broker.enqueue([]), [])
    },
  },
  {
    name: 'a delayed job is scheduled until its delay is over, to the millisecond',
    async run({ broker, clock }) {
      await broker.enqueue([job('a', { delayMs: 60_000 })])
      const worker = lane(broker)
      const { state, atMs } = await read(broker, 'a')
      assert.deepEqual([state, atMs], ['scheduled', clock.now() + 60_000])
      await clock.advance(59_999)
      assert.deepEqual(await worker.claim(), [])
      await clock.advance(1)
      assert.equal((await worker.claimOne()).id, 'a')
    },
  },
  {
    name: 'a job with a due time is claimable from then on, and at once when that has passed',
    async run({ broker, clock }) {
      await broker.enqueue([
        job('later', { dueAtMs: clock.now() + 5_000 }),
        job('past', { dueAtMs: clock.now() - 5_000 }),
      ])
      const worker = lane(broker)
      assert.deepEqual(idsOf(await worker.claim(10)), ['past'])
      await clock.advance(5_000)
      assert.deepEqual(idsOf(await worker.claim(10)), ['later'])
    },
  },
  {
    name: 'a job comes back as it was given: input, version, tick',
    async run({ broker }) {
      const tick = { schedule: 'digest', dueAtMs: 5_000, lateMs: 7, catchUp: true }
      const odd = '{"text":"Grüße, 日本, 🚀, \\u0000, \\"quoted\\", it\'s 100% {done}"}'
      await broker.enqueue([job('it\'s: {a} %2F "ü"', { input: odd, v: 3, tick }), job('none', { input: '' })])
      const [first, second] = await lane(broker).claim(2)
      assert.deepEqual([first?.id, first?.input, first?.v, first?.tick], ['it\'s: {a} %2F "ü"', odd, 3, tick])
      assert.deepEqual([second?.input, second?.v, second?.tick], ['', 1, null])
      assert.deepEqual((await read(broker, 'it\'s: {a} %2F "ü"')).tick, tick)
    },
  },
]

/** However a job ended: a late copy of its enqueue creates nothing for an hour, whatever its retention. */
function stubCases(): Case[] {
  const endings: Record<string, (ctx: Parameters<Case['run']>[0]) => Promise<unknown>> = {
    succeeded: async ({ broker }) => {
      const worker = lane(broker)
      await worker.settle(succeed(await worker.claimOne(), '1', SECOND_MS))
    },
    failed: async ({ broker }) => {
      const worker = lane(broker)
      await worker.settle(fail(await worker.claimOne(), SECOND_MS))
    },
    'cancelled while waiting': ({ broker }) => broker.cancel(['a']),
    'cancelled by its worker': async ({ broker }) => {
      const worker = lane(broker)
      await worker.settle(cancelled(await worker.claimOne(), SECOND_MS))
    },
    removed: ({ broker }) => broker.remove(['a']),
  }
  return Object.entries(endings).map(([how, end]) => ({
    name: `a late copy of an enqueue creates nothing for an hour after the job was ${how}`,
    async run(ctx) {
      const { broker, clock } = ctx
      await broker.enqueue([job('a')])
      await end(ctx)
      for (const waitMs of [0, 2 * SECOND_MS, HOUR_MS - 3 * SECOND_MS]) {
        await clock.advance(waitMs)
        await pruneAll(broker)
        assert.deepEqual(await broker.enqueue([job('a')]), ['existing'], `after ${waitMs} ms more`)
        assert.deepEqual(await lane(broker, `probe.${waitMs}.0`).claim(), [])
      }
    },
  }))
}
