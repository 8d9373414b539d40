/** Callbacks stand in their jobs' queues: what holds for those holds for them, and makes no step fail. */
import assert from 'node:assert/strict'
import type { Broker } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import { fail, idsOf, job, jobs, lane, read, stateOf, succeed } from '../verbs.ts'
import { overlapTick } from './overlap.ts'
import { set } from './schedules.ts'
import { follow } from './transitions.ts'

const CALLBACKS = { onSuccess: 'https://hooks.example/done', onFailure: 'https://hooks.example/broken' }
const waiting = async (broker: Broker) => idsOf((await broker.list({ states: ['queued'] })).jobs).toSorted()

export const callbackQueueCases: readonly Case[] = [
  {
    name: 'a callback finds room in a queue that is full, and takes the room of the next job',
    bounds: { maxReady: 2 },
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue([job('a', CALLBACKS)])
      const claimed = await worker.claimOne()
      await broker.enqueue(jobs(2))
      await worker.settle(succeed(claimed))
      assert.deepEqual(await waiting(broker), ['a:onSuccess:1', 'job-0000', 'job-0001'])
      assert.deepEqual(idsOf(await worker.claim(1)), ['job-0000'])
      assert.deepEqual(await broker.enqueue([job('more')]), ['full'])
      assert.deepEqual(idsOf(await worker.claim(2)), ['job-0001', 'a:onSuccess:1'])
    },
  },
  {
    name: 'where the oldest jobs give way callbacks do as well, and nobody is told of that',
    bounds: { maxReady: 2, whenFull: 'drop-oldest', events: true },
    async run({ broker }) {
      const told = await follow(broker)
      for (const id of ['a', 'b', 'c', 'd']) await broker.enqueue([job(id, CALLBACKS)])
      const [a, b, c] = ['a', 'b', 'c'].map((id) => [`${id} cancelled 0`, `${id}:onFailure:0 queued 0`])
      assert.deepEqual(
        [...(await told())].sort(),
        [a, b, c, ['a queued 0', 'b queued 0', 'c queued 0', 'd queued 0']].flat().sort(),
      )
      await broker.enqueue([job('e'), job('f')])
      assert.equal(await stateOf(broker, 'a:onFailure:0'), 'cancelled')
      assert.ok((await told()).every((line) => !line.includes('onFailure:0:')))
      assert.deepEqual((await waiting(broker)).slice(-2), ['e', 'f'])
    },
  },
  {
    name: 'the end of a job frees the one behind it and makes its callback, told once each, and a copy does no more',
    bounds: { events: true },
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      const ticks = [0, 1].map((n) => overlapTick(startMs, n, 'bufferAll'))
      await broker.fire(ticks.map((tick) => ({ ...tick, job: tick.job && { ...tick.job, ...CALLBACKS } })))
      const worker = lane(broker)
      const claimed = await worker.claimOne()
      const told = await follow(broker)
      const reply = await worker.exchange({ settle: [fail(claimed)], want: 5 })
      assert.deepEqual(idsOf(reply.jobs).toSorted(), ['digest.0:onFailure:1', 'digest.1'])
      assert.deepEqual(await worker.again(), reply)
      const next = [
        'digest.0:onFailure:1 active 0',
        'digest.0:onFailure:1 queued 0',
        'digest.1 active 0',
        'digest.1 queued 0',
      ]
      const [first, ...rest] = await told()
      assert.deepEqual([first, ...rest.toSorted()], ['digest.0 failed 1', ...next])
    },
  },
  {
    name: 'a paused queue keeps callbacks back, and one that is purged has none left, which no copy brings back',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue([job('a', CALLBACKS)])
      const settlement = fail(await worker.claimOne())
      await broker.setPaused('default', true, 0)
      const reply = await worker.exchange({ settle: [settlement], want: 5 })
      assert.deepEqual([reply.jobs, reply.nextAtMs], [[], null])
      assert.deepEqual(await waiting(broker), ['a:onFailure:1'])
      assert.equal((await broker.purge('default', 1)).removed, 1)
      await worker.settle(settlement)
      await worker.again()
      await broker.setPaused('default', false, 2)
      assert.deepEqual(await worker.claim(5), [])
      assert.equal((await read(broker, 'a')).state, 'failed')
    },
  },
]
