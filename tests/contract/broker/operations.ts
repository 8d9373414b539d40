import assert from 'node:assert/strict'
import type { Case } from '../subject.ts'
import {
  active,
  fail,
  finished,
  HOUR_MS,
  idsOf,
  job,
  jobs,
  LEASE_MS,
  lane,
  pruneAll,
  read,
  stateOf,
  succeed,
} from '../verbs.ts'

async function failed(broker: Parameters<typeof lane>[0], id: string): Promise<number> {
  const worker = lane(broker, `failing.${id}.0`)
  await worker.settle(fail(await active(broker, worker, id)))
  return (await read(broker, id)).epoch
}

export const operationCases: readonly Case[] = [
  {
    name: 'a failed job is replayed from its first attempt',
    async run({ broker }) {
      const epoch = await failed(broker, 'a')
      assert.deepEqual(await broker.retry([{ id: 'a', epoch }]), ['queued'])
      const { state, attempts, lost, result, finishedAtMs } = await read(broker, 'a')
      assert.deepEqual([state, attempts, lost, result, finishedAtMs], ['queued', 0, 0, null, null])
      const claimed = await lane(broker).claimOne()
      assert.deepEqual([claimed.id, claimed.attempt, claimed.input], ['a', 1, '{"of":"a"}'])
    },
  },
  {
    name: 'a late copy of a replay does nothing, also after the job has failed again',
    async run({ broker }) {
      const epoch = await failed(broker, 'a')
      await broker.retry([{ id: 'a', epoch }])
      assert.deepEqual(await broker.retry([{ id: 'a', epoch }]), ['moved'])
      const worker = lane(broker)
      await worker.settle(fail(await worker.claimOne()))
      assert.deepEqual(await broker.retry([{ id: 'a', epoch }]), ['moved'])
      assert.equal(await stateOf(broker, 'a'), 'failed')
    },
  },
  {
    name: 'a late settlement of the replayed job’s earlier run is late',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await worker.settle(fail(held))
      await broker.retry([{ id: 'a', epoch: (await read(broker, 'a')).epoch }])
      assert.deepEqual((await worker.settle(succeed(held))).late, ['a'])
      assert.equal(await stateOf(broker, 'a'), 'queued')
    },
  },
  {
    name: 'a cancelled job can be replayed; succeeded, waiting and active ones cannot',
    async run({ broker }) {
      const worker = lane(broker)
      await finished(broker, worker, 'succeeded')
      await active(broker, worker, 'active')
      await broker.enqueue([job('cancelled'), job('queued')])
      await broker.cancel(['cancelled'])
      const refs = await Promise.all(
        ['succeeded', 'cancelled', 'active', 'queued'].map(async (id) => ({
          id,
          epoch: (await read(broker, id)).epoch,
        })),
      )
      assert.deepEqual(await broker.retry([...refs, { id: 'nobody', epoch: 0 }]), [
        'moved',
        'queued',
        'moved',
        'moved',
        'unknown',
      ])
    },
  },
  {
    name: 'a replayed job may be cancelled again, and is not cancelled from before',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await broker.cancel(['a'])
      await worker.settle(fail(held))
      await broker.retry([{ id: 'a', epoch: (await read(broker, 'a')).epoch }])
      assert.deepEqual((await worker.extend(await worker.claimOne())).cancelled, [])
    },
  },
  {
    name: 'a removed job is unknown, an active one is not removed',
    async run({ broker }) {
      const worker = lane(broker)
      await active(broker, worker, 'active')
      await broker.enqueue([job('queued')])
      assert.deepEqual(await broker.remove(['queued', 'active', 'nobody']), ['removed', 'active', 'unknown'])
      assert.deepEqual(await broker.remove(['queued']), ['unknown'])
      assert.equal(await stateOf(broker, 'queued'), null)
      assert.deepEqual(await worker.claim(10), [])
      assert.deepEqual(idsOf((await broker.list({})).jobs), ['active'])
      assert.deepEqual(await broker.cancel(['queued']), ['unknown'])
      assert.deepEqual(await broker.retry([{ id: 'queued', epoch: 0 }]), ['unknown'])
    },
  },
  {
    name: 'a paused queue gives no jobs but takes settlements, and goes on when it is resumed',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'held')
      await broker.enqueue([job('waiting')])
      assert.equal(await broker.setPaused('default', true, 0), 'set')
      const { jobs: none, late, nextAtMs } = await worker.exchange({ want: 10, settle: [succeed(held)] })
      assert.deepEqual([none, late, nextAtMs], [[], [], null])
      assert.equal(await stateOf(broker, 'held'), 'succeeded')
      assert.equal(await broker.setPaused('default', false, 1), 'set')
      assert.equal((await worker.claimOne()).id, 'waiting')
    },
  },
  {
    name: 'a paused queue leaves the other queues alone',
    async run({ broker }) {
      await broker.enqueue([job('a', { queue: 'a' }), job('b', { queue: 'b' })])
      await broker.setPaused('a', true, 0)
      assert.deepEqual(idsOf(await lane(broker).claim(10, { queues: ['a', 'b'] })), ['b'])
    },
  },
  {
    name: 'a pause sent again is existing, and a late copy of it does not undo the resume',
    async run({ broker }) {
      assert.equal(await broker.setPaused('default', true, 0), 'set')
      assert.equal(await broker.setPaused('default', true, 0), 'existing')
      assert.equal(await broker.setPaused('default', false, 1), 'set')
      assert.equal(await broker.setPaused('default', true, 0), 'moved')
      const [queue] = (await broker.stats()).queues
      assert.deepEqual([queue?.queue, queue?.paused, queue?.revision], ['default', false, 2])
    },
  },
  {
    name: 'prune deletes what has expired, up to its limit, and nothing else',
    async run({ broker, clock }) {
      await broker.enqueue(jobs(6))
      const worker = lane(broker)
      const claimed = await worker.claim(5)
      await worker.settle(...claimed.slice(0, 4).map((one) => succeed(one, '1', HOUR_MS)))
      assert.equal(await broker.prune(), 0)
      await worker.extend(claimed[4] as never)
      await clock.advance(HOUR_MS)
      assert.ok((await broker.prune(3)) <= 3)
      await pruneAll(broker)
      assert.deepEqual(idsOf((await broker.list({})).jobs).sort(), ['job-0004', 'job-0005'])
    },
  },
  {
    name: 'a worker’s presence is seen for two minutes, once however many lanes it has',
    async run({ broker, clock }) {
      const presence = {
        worker: 'press.1',
        queues: ['default', 'mail'],
        concurrency: 8,
        running: 3,
        runtime: 'bun',
        startedAtMs: clock.now(),
      }
      await lane(broker, 'press.1.0').exchange({ presence })
      assert.deepEqual((await broker.stats()).workers, [{ ...presence, seenAtMs: clock.now() }])
      await clock.advance(30_000)
      await lane(broker, 'press.1.1').exchange({ presence: { ...presence, running: 5 } })
      assert.deepEqual((await broker.stats()).workers, [{ ...presence, running: 5, seenAtMs: clock.now() }])
      assert.deepEqual(await broker.workers(), (await broker.stats()).workers)
      await clock.advance(4 * LEASE_MS + 1)
      assert.deepEqual((await broker.stats()).workers, [])
    },
  },
]
