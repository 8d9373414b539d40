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
  retryIn,
  stateOf,
  succeed,
} from '../verbs.ts'

async function failed(broker: Parameters<typeof lane>[0], id: string): Promise<number> {
  const worker = lane(broker, `failing.${id}.0`)
  await worker.settle(fail(await active(broker, worker, id)))
  return (await read(broker, id)).epoch
}

async function promote(broker: Parameters<typeof lane>[0], ...ids: readonly string[]) {
  const records = await broker.get(ids)
  return broker.promote(ids.map((id, at) => ({ id, epoch: records[at]?.epoch ?? 0 })))
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
      assert.deepEqual(
        await broker.retry([
          { id: 'a', epoch },
          { id: 'a', epoch },
        ]),
        ['queued', 'queued'],
      )
      assert.deepEqual(await broker.retry([{ id: 'a', epoch }]), ['queued'])
      const worker = lane(broker)
      const claimed = await worker.claimOne()
      assert.deepEqual(await broker.retry([{ id: 'a', epoch }]), ['moved'])
      await worker.settle(fail(claimed))
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
    name: 'a promoted job is claimed at once, with its attempts so far, and not again when its time comes',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await worker.settle(retryIn(await active(broker, worker, 'retrying'), 60_000))
      await broker.enqueue([job('later', { delayMs: 60_000 }), job('urgent', { delayMs: 60_000, priority: 5 })])
      assert.deepEqual(await worker.claim(10), [])
      assert.deepEqual(await promote(broker, 'retrying', 'later', 'urgent'), ['queued', 'queued', 'queued'])
      const claimed = await worker.claim(10)
      assert.deepEqual(claimed.map(({ id, attempt }) => [id, attempt]).sort(), [
        ['later', 1],
        ['retrying', 2],
        ['urgent', 1],
      ])
      await worker.settle(...claimed.map((one) => succeed(one)))
      await clock.advance(60_000)
      assert.deepEqual(await worker.claim(10), [])
    },
  },
  {
    name: 'a promotion sent again is queued, and a late copy of it does not shorten the next retry',
    async run({ broker }) {
      await broker.enqueue([job('a', { delayMs: 60_000 })])
      const ref = { id: 'a', epoch: (await read(broker, 'a')).epoch }
      assert.deepEqual(await broker.promote([ref, ref]), ['queued', 'queued'])
      assert.deepEqual(await broker.promote([ref]), ['queued'])
      assert.equal((await read(broker, 'a')).state, 'queued')
      const worker = lane(broker)
      const claimed = await worker.claimOne()
      assert.deepEqual(await broker.promote([ref]), ['moved'])
      await worker.settle(retryIn(claimed, 60_000))
      assert.deepEqual(await broker.promote([ref]), ['moved'])
      assert.deepEqual(await worker.claim(1), [])
    },
  },
  {
    name: 'nothing else is promoted: queued, active, finished and unknown jobs',
    async run({ broker }) {
      const worker = lane(broker)
      await finished(broker, worker, 'succeeded')
      await failed(broker, 'failed')
      await active(broker, worker, 'active')
      await broker.enqueue([job('queued')])
      assert.deepEqual(await promote(broker, 'succeeded', 'failed', 'active', 'queued', 'nobody'), [
        'moved',
        'moved',
        'moved',
        'moved',
        'unknown',
      ])
      assert.deepEqual(idsOf(await worker.claim(10)), ['queued'])
    },
  },
  {
    name: 'a job that has lost several leases and waits to be taken over is promoted too',
    async run({ broker, clock }) {
      const [first, second, third] = [lane(broker, 'w.1.0'), lane(broker, 'w.2.0'), lane(broker, 'w.3.0')]
      await active(broker, first, 'a')
      await clock.advance(LEASE_MS)
      assert.equal((await second.claimOne()).lost, 1)
      await clock.advance(LEASE_MS)
      assert.deepEqual(await third.claim(1), [])
      assert.deepEqual(await promote(broker, 'a'), ['queued'])
      assert.deepEqual(await third.claim(1, { takeLost: false }), [])
      assert.equal((await third.claimOne()).lost, 2)
    },
  },
  {
    name: 'a thousand jobs of several queues are cancelled, replayed, promoted and removed in one call each',
    async run({ broker }) {
      const many = [...jobs(500, 'a'), ...jobs(500, 'b', { queue: 'mail', priority: 3 })].map((one, at) =>
        at % 2 ? one : { ...one, delayMs: 60_000 },
      )
      const ids = idsOf(many)
      const refs = async () => (await broker.get(ids)).map((one) => ({ id: one?.id ?? '', epoch: one?.epoch ?? 0 }))
      await broker.enqueue(many)
      const timed = (await refs()).filter((_, at) => at % 2 === 0)
      assert.deepEqual(await broker.promote(timed), Array(500).fill('queued'))
      assert.deepEqual(await broker.cancel(ids), Array(1_000).fill('cancelled'))
      assert.deepEqual(await broker.retry(await refs()), Array(1_000).fill('queued'))
      assert.equal((await lane(broker).claim(1, { queues: ['default', 'mail'] })).length, 1)
      assert.deepEqual((await broker.remove(ids)).toSorted(), ['active', ...Array(999).fill('removed')])
      assert.deepEqual(await lane(broker, 'w.2.0').claim(10, { queues: ['default', 'mail'] }), [])
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
    name: 'failed jobs that are replayed or removed count as failed no more',
    async run({ broker }) {
      const epochs = [await failed(broker, 'replayed'), await failed(broker, 'removed'), await failed(broker, 'kept')]
      await broker.retry([{ id: 'replayed', epoch: epochs[0] ?? 0 }])
      await broker.remove(['removed'])
      assert.deepEqual((await broker.stats()).queues[0]?.counts, { queued: 1, failed: 1 })
      assert.deepEqual(idsOf((await broker.list({ states: ['failed'] })).jobs), ['kept'])
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
    name: 'a purged queue has nothing that waits, and keeps what runs or has finished and what is in other queues',
    async run({ broker, clock }) {
      const [worker, second] = [lane(broker, 'w.1.0'), lane(broker, 'w.2.0')]
      await active(broker, worker, 'parked')
      await clock.advance(LEASE_MS)
      await second.claimOne()
      await clock.advance(LEASE_MS)
      assert.deepEqual(await worker.claim(1), [])
      await worker.settle(retryIn(await active(broker, worker, 'retrying'), 60_000))
      await finished(broker, worker, 'succeeded')
      await failed(broker, 'failed')
      await active(broker, worker, 'active')
      await broker.enqueue([
        ...[
          job('queued'),
          job('urgent', { priority: 1 }),
          job('idle', { priority: -1 }),
          job('later', { delayMs: 60_000 }),
        ],
        job('elsewhere', { queue: 'mail' }),
      ])
      assert.deepEqual(await broker.purge('default', 0), { outcome: 'purged', removed: 6, more: false })
      const left = ['active', 'elsewhere', 'failed', 'succeeded']
      assert.deepEqual(idsOf((await broker.list({})).jobs).sort(), left)
      const [stats] = (await broker.stats({ queues: ['default'] })).queues
      assert.deepEqual([stats?.counts.active, stats?.counts.queued, stats?.counts.scheduled], [1, undefined, undefined])
      await clock.advance(60_000)
      assert.deepEqual(idsOf(await lane(broker, 'w.3.0').claim(10)), ['active'])
      assert.deepEqual(await broker.enqueue([job('queued'), job('later')]), ['existing', 'existing'])
    },
  },
  {
    name: 'a purge goes as far as its limit, and each step moves the revision but leaves the queue paused',
    async run({ broker }) {
      await broker.enqueue([...jobs(10), ...jobs(10, 'later', { delayMs: 60_000 })])
      await broker.setPaused('default', true, 0)
      assert.deepEqual(await broker.purge('default', 1, 8), { outcome: 'purged', removed: 8, more: true })
      assert.deepEqual(await broker.purge('default', 2, 8), { outcome: 'purged', removed: 8, more: true })
      assert.deepEqual(await broker.purge('default', 3, 8), { outcome: 'purged', removed: 4, more: false })
      const [queue] = (await broker.stats({ queues: ['default'] })).queues
      assert.deepEqual([queue?.paused, queue?.revision, queue?.counts], [true, 4, {}])
    },
  },
  {
    name: 'a late copy of a purge removes nothing that came after it',
    async run({ broker }) {
      await broker.enqueue([job('before')])
      assert.equal((await broker.purge('default', 0)).removed, 1)
      await broker.enqueue([job('after')])
      assert.deepEqual(await broker.purge('default', 0), { outcome: 'moved', removed: 0, more: false })
      assert.equal((await lane(broker).claimOne()).id, 'after')
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
  {
    name: 'a worker is told of under whatever name it has, beside others',
    async run({ broker }) {
      const presence = { queues: ['default'], concurrency: 1, running: 0, runtime: 'bun', startedAtMs: 0 }
      const names = ['a', 'a|b', 'a|{"c":1}', '|', '__proto__']
      for (const worker of names) await lane(broker, `${worker}.0`).exchange({ presence: { ...presence, worker } })
      for (const { workers } of [await broker.stats(), { workers: await broker.workers() }])
        assert.deepEqual(workers.map(({ worker }) => worker).sort(), [...names].sort())
    },
  },
]
