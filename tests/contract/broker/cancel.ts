import assert from 'node:assert/strict'
import type { Case } from '../subject.ts'
import {
  active,
  cancelled,
  ERROR,
  fail,
  finished,
  idsOf,
  job,
  jobs,
  lane,
  read,
  release,
  retryIn,
  stateOf,
  succeed,
} from '../verbs.ts'

export const cancelCases: readonly Case[] = [
  {
    name: 'a waiting job is cancelled at once, also a delayed one and one that is to be retried',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await worker.settle(retryIn(await active(broker, worker, 'retrying'), 1_000))
      await broker.enqueue([job('queued'), job('scheduled', { delayMs: 1_000 })])
      const ids = ['queued', 'scheduled', 'retrying']
      assert.deepEqual(await broker.cancel(ids), ['cancelled', 'cancelled', 'cancelled'])
      await clock.advance(1_000)
      assert.deepEqual(await worker.claim(10), [])
      for (const id of ids) assert.equal(await stateOf(broker, id), 'cancelled')
      assert.equal((await read(broker, 'queued')).finishedAtMs, clock.now() - 1_000)
    },
  },
  {
    name: 'the worker of an active job is asked, with every extension until it answers',
    async run({ broker }) {
      const worker = lane(broker)
      const [a, b] = [await active(broker, worker, 'a'), await active(broker, worker, 'b')]
      assert.deepEqual(await broker.cancel(['a']), ['asked'])
      assert.equal(await stateOf(broker, 'a'), 'active')
      assert.deepEqual((await worker.extend(a, b)).cancelled, ['a'])
      assert.deepEqual((await worker.extend(a, b)).cancelled, ['a'])
      await worker.settle(cancelled(a))
      assert.equal(await stateOf(broker, 'a'), 'cancelled')
    },
  },
  {
    name: 'a job that finishes although its cancellation was asked for has finished',
    async run({ broker }) {
      const worker = lane(broker)
      const [a, b] = [await active(broker, worker, 'a'), await active(broker, worker, 'b')]
      await broker.cancel(['a', 'b'])
      await worker.settle(succeed(a), fail(b))
      assert.deepEqual([await stateOf(broker, 'a'), await stateOf(broker, 'b')], ['succeeded', 'failed'])
    },
  },
  {
    name: 'a job that is released or to be retried after its cancellation was asked for does not return to its queue',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await broker.enqueue(jobs(3))
      const [a, b, c] = (await worker.claim(3)) as [never, never, never]
      const ids = idsOf([a, b, c])
      await broker.cancel(ids)
      const { jobs: claimed } = await worker.exchange({
        want: 3,
        settle: [release(a), release(b, 1_000), retryIn(c, 1_000)],
      })
      await clock.advance(1_000)
      assert.deepEqual([claimed, await worker.claim(3)], [[], []])
      for (const id of ids) assert.equal(await stateOf(broker, id), 'cancelled')
    },
  },
  {
    name: 'an attempt that failed after its cancellation was asked for counts, and its error is kept',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await broker.cancel(['a'])
      await worker.settle(retryIn(held, 1_000))
      const { state, attempts, error } = await read(broker, 'a')
      assert.deepEqual({ state, attempts, error }, { state: 'cancelled', attempts: 1, error: ERROR })
    },
  },
  {
    name: 'a finished job cannot be cancelled, and a cancelled one reads as such again',
    async run({ broker }) {
      await finished(broker, lane(broker), 'done')
      await broker.enqueue([job('waiting')])
      await broker.cancel(['waiting'])
      assert.deepEqual(await broker.cancel(['done', 'waiting', 'nobody']), ['finished', 'cancelled', 'unknown'])
      assert.equal(await stateOf(broker, 'done'), 'succeeded')
    },
  },
]
