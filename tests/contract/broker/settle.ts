import assert from 'node:assert/strict'
import type { Case } from '../subject.ts'
import {
  active,
  cancelled,
  ERROR,
  fail,
  HOUR_MS,
  idsOf,
  jobs,
  lane,
  read,
  release,
  retryIn,
  stateOf,
  succeed,
} from '../verbs.ts'

export const settleCases: readonly Case[] = [
  {
    name: 'a job that succeeded keeps its result until its time is over',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const { late } = await worker.settle(succeed(await active(broker, worker, 'a'), '{"lines":3}', 5_000))
      assert.deepEqual(late, [])
      const { state, result, attempts, finishedAtMs, atMs, error } = await read(broker, 'a')
      assert.deepEqual([state, result, attempts, error], ['succeeded', '{"lines":3}', 1, null])
      assert.deepEqual([finishedAtMs, atMs], [clock.now(), clock.now() + 5_000])
      await clock.advance(4_999)
      assert.equal(await stateOf(broker, 'a'), 'succeeded')
      await clock.advance(1)
      assert.equal(await stateOf(broker, 'a'), null)
    },
  },
  {
    name: 'a handler that returned nothing leaves the empty result',
    async run({ broker }) {
      const worker = lane(broker)
      await worker.settle(succeed(await active(broker, worker, 'a'), ''))
      assert.equal((await read(broker, 'a')).result, '')
    },
  },
  {
    name: 'a job that failed keeps its error and its input for replay',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await worker.settle(fail(await active(broker, worker, 'a'), 7 * 24 * HOUR_MS))
      const { state, error, result, attempts, input, atMs } = await read(broker, 'a')
      assert.deepEqual([state, error, result, attempts, input], ['failed', ERROR, null, 1, '{"of":"a"}'])
      assert.equal(atMs, clock.now() + 7 * 24 * HOUR_MS)
    },
  },
  {
    name: 'a job to be retried is due after its delay, counts the attempt and keeps the error',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await worker.settle(retryIn(await active(broker, worker, 'a'), 10_000))
      const { state, attempts, error, atMs } = await read(broker, 'a')
      assert.deepEqual([state, attempts, error, atMs], ['retrying', 1, ERROR, clock.now() + 10_000])
      await clock.advance(9_999)
      assert.deepEqual(await worker.claim(), [])
      await clock.advance(1)
      assert.equal((await worker.claimOne()).attempt, 2)
    },
  },
  {
    name: 'a job to be retried at once can be claimed by the exchange that says so',
    async run({ broker }) {
      const worker = lane(broker)
      const claimed = await active(broker, worker, 'a')
      const { jobs: again } = await worker.exchange({ want: 1, settle: [retryIn(claimed, 0)] })
      assert.deepEqual(idsOf(again), ['a'])
      assert.equal(again[0]?.attempt, 2)
    },
  },
  {
    name: 'a released job is ready again at once, uncounted',
    async run({ broker }) {
      const worker = lane(broker)
      await worker.settle(release(await active(broker, worker, 'a')))
      const { state, attempts, lost } = await read(broker, 'a')
      assert.deepEqual([state, attempts, lost], ['queued', 0, 0])
      assert.equal((await lane(broker, 'other.1.0').claimOne()).attempt, 1)
    },
  },
  {
    name: 'a job that is put back for later is not claimable before that',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await worker.settle(release(await active(broker, worker, 'a'), 4_000))
      assert.equal(await stateOf(broker, 'a'), 'scheduled')
      await clock.advance(3_999)
      assert.deepEqual(await worker.claim(), [])
      await clock.advance(1)
      const { attempt, lost } = await worker.claimOne()
      assert.deepEqual([attempt, lost], [1, 0])
    },
  },
  {
    name: 'a job that its worker cancelled is cancelled and comes back to nobody',
    async run({ broker }) {
      const worker = lane(broker)
      await worker.settle(cancelled(await active(broker, worker, 'a')))
      assert.equal(await stateOf(broker, 'a'), 'cancelled')
      assert.deepEqual(await worker.claim(), [])
    },
  },
  {
    name: 'fractions of a millisecond in what is settled are rounded',
    async run({ broker }) {
      await broker.enqueue(jobs(3))
      const worker = lane(broker)
      const [a, b, c] = (await worker.claim(3)) as [never, never, never]
      await worker.settle(succeed(a, '1', 999.6), retryIn(b, 500.5), release(c, 0.5))
      for (const record of await broker.get(idsOf([a, b, c]))) assert.ok(Number.isSafeInteger(record?.atMs))
    },
  },
  {
    name: 'one exchange settles jobs in every way at once',
    async run({ broker }) {
      await broker.enqueue(jobs(5))
      const worker = lane(broker)
      const [a, b, c, d, e] = (await worker.claim(5)) as [never, never, never, never, never]
      const { late } = await worker.settle(succeed(a), fail(b), retryIn(c, 5_000), release(d), cancelled(e))
      assert.deepEqual(late, [])
      const states = (await broker.get(idsOf([a, b, c, d, e]))).map((record) => record?.state)
      assert.deepEqual(states, ['succeeded', 'failed', 'retrying', 'queued', 'cancelled'])
    },
  },
  {
    name: 'any lane may settle what another has claimed',
    async run({ broker }) {
      const claimed = await active(broker, lane(broker, 'worker.1.0'), 'a')
      const { late } = await lane(broker, 'worker.1.1').settle(succeed(claimed))
      assert.deepEqual([late, await stateOf(broker, 'a')], [[], 'succeeded'])
    },
  },
  {
    name: 'a settlement of a job that nobody knows is late',
    async run({ broker }) {
      const { late } = await lane(broker).settle(succeed({ id: 'nobody', epoch: 1 }))
      assert.deepEqual(late, ['nobody'])
    },
  },
  {
    name: 'progress is stored with an extension, and one without any keeps it',
    async run({ broker }) {
      const worker = lane(broker)
      const { id, epoch } = await active(broker, worker, 'a')
      await worker.extend({ id, epoch, progress: '{"percent":40}' })
      await worker.extend({ id, epoch })
      assert.equal((await read(broker, 'a')).progress, '{"percent":40}')
    },
  },
]
