import assert from 'node:assert/strict'
import type { Broker, JobFilter, JobPage, LeaseRef } from '../../../src/broker.ts'
import type { JobRecord } from '../../../src/job.ts'
import type { Case } from '../subject.ts'
import { active, fail, idsOf, job, jobs, lane, read, retryIn, succeed } from '../verbs.ts'

/** All that a filter fits, page by page. */
async function listAll(broker: Broker, filter: JobFilter): Promise<readonly JobRecord[]> {
  const found: JobRecord[] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: JobPage = await broker.list({ ...filter, ...(cursor ? { cursor } : {}) })
    found.push(...page.jobs)
    cursor = page.cursor
  }
  return found
}

export const readCases: readonly Case[] = [
  {
    name: 'an unknown id reads as null, in its place among the known ones',
    async run({ broker }) {
      await broker.enqueue([job('a'), job('b')])
      const records = await broker.get(['b', 'nobody', 'a', 'b'])
      assert.deepEqual(
        records.map((record) => record?.id ?? null),
        ['b', null, 'a', 'b'],
      )
      assert.deepEqual(await broker.get([]), [])
    },
  },
  {
    name: 'a thousand jobs are read in one call',
    async run({ broker }) {
      const many = jobs(1_000)
      await broker.enqueue(many)
      assert.deepEqual(idsOf((await broker.get(idsOf(many))) as never), idsOf(many))
    },
  },
  {
    name: 'list goes through all jobs, newest first, page by page, each of them once',
    async run({ broker }) {
      const many = jobs(25)
      await broker.enqueue(many)
      const seen: string[] = []
      let cursor: string | null | undefined
      do {
        const page = await broker.list({ limit: 10, ...(cursor ? { cursor } : {}) })
        assert.ok(page.jobs.length <= 10)
        seen.push(...idsOf(page.jobs))
        cursor = page.cursor
      } while (cursor)
      assert.deepEqual(seen, idsOf(many).reverse())
    },
  },
  {
    name: 'list keeps its place while jobs are added and finish',
    async run({ broker }) {
      await broker.enqueue(jobs(6))
      const first = await broker.list({ limit: 3 })
      await broker.enqueue(jobs(3, 'new'))
      const worker = lane(broker)
      await worker.settle(succeed(await worker.claimOne()))
      const rest = await broker.list({ limit: 10, cursor: first.cursor ?? '' })
      assert.deepEqual(idsOf([...first.jobs, ...rest.jobs]), idsOf(jobs(6)).reverse())
      assert.equal(rest.cursor, null)
    },
  },
  {
    name: 'list filters by state, queue and task',
    async run({ broker }) {
      const worker = lane(broker)
      await worker.settle(fail(await active(broker, worker, 'failed')))
      await broker.enqueue([
        job('other queue', { queue: 'mail' }),
        job('other task', { task: 'mail' }),
        job('later', { delayMs: 1_000 }),
      ])
      const listed = async (filter: Parameters<typeof broker.list>[0]) => idsOf((await broker.list(filter)).jobs)
      assert.deepEqual(await listed({ states: ['failed'] }), ['failed'])
      assert.deepEqual(await listed({ states: ['failed', 'scheduled'] }), ['later', 'failed'])
      assert.deepEqual(await listed({ queue: 'mail' }), ['other queue'])
      assert.deepEqual(await listed({ task: 'mail' }), ['other task'])
      assert.deepEqual(await listed({ task: 'mail', queue: 'mail' }), [])
    },
  },
  {
    name: 'a job keeps its tags in every state, beside its tick, and its worker is told of them',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const tags = ['eu', 'a|b "c" \\ ü', 'x'.repeat(50)]
      const tick = { schedule: 'nightly', dueAtMs: 1, lateMs: 2, catchUp: false }
      await broker.enqueue([
        job('both', { tags, tick }),
        job('tagged', { tags }),
        job('ticked', { tick }),
        job('plain'),
      ])
      const told = await worker.claim(4)
      const idTagsTick = told.map((claimed) => [claimed.id, claimed.tags, claimed.tick])
      assert.deepEqual(idTagsTick, [
        ['both', tags, tick],
        ['tagged', tags, null],
        ['ticked', undefined, tick],
        ['plain', undefined, null],
      ])
      assert.deepEqual((await worker.again()).jobs, told)
      const known = async () => (await broker.get(['both', 'tagged', 'plain'])).map((record) => record?.tags)
      assert.deepEqual(await known(), [tags, tags, []])
      const leaseOf = (id: string) => told.find((claimed) => claimed.id === id) as LeaseRef
      const tagged = leaseOf('tagged')
      await worker.settle(retryIn(leaseOf('both'), 1_000), fail(tagged), succeed(leaseOf('plain')))
      assert.deepEqual(await known(), [tags, tags, []])
      await clock.advance(1_000)
      await broker.retry([tagged])
      const again = await worker.claim(2)
      assert.deepEqual(
        again.map((claimed) => claimed.tags),
        [tags, tags],
      )
      await worker.settle(...again.map((claimed) => succeed(claimed)))
      assert.deepEqual(await known(), [tags, tags, []])
      assert.deepEqual((await read(broker, 'both')).tick, tick)
    },
  },
  {
    name: 'other tags make no other job: the same id with the same task and input is there already',
    async run({ broker }) {
      await broker.enqueue([job('a', { tags: ['first'] })])
      assert.deepEqual(await broker.enqueue([job('a', { tags: ['second'] }), job('a')]), ['existing', 'existing'])
      assert.deepEqual((await read(broker, 'a')).tags, ['first'])
    },
  },
  {
    name: 'list filters by one of the tags, in whatever state a job is, and together with other filters',
    async run({ broker }) {
      const worker = lane(broker)
      const of = (id: string, ...tags: string[]) => job(id, { tags })
      await broker.enqueue([of('failed', 'eu')])
      await worker.settle(fail(await worker.claimOne()))
      await broker.enqueue([of('active', 'us', 'eu')])
      await worker.claimOne()
      await broker.enqueue([
        ...[of('queued', 'eu'), of('other', 'us'), of('longer', 'euro'), job('none')],
        job('later', { tags: ['eu'], delayMs: 1_000 }),
        job('mail', { tags: ['eu'], queue: 'mail' }),
      ])
      const listed = async (filter: JobFilter) => idsOf(await listAll(broker, filter)).sort()
      assert.deepEqual(await listed({ tag: 'eu' }), ['active', 'failed', 'later', 'mail', 'queued'])
      assert.deepEqual(await listed({ tag: 'eu', limit: 1 }), ['active', 'failed', 'later', 'mail', 'queued'])
      assert.deepEqual(await listed({ tag: 'us' }), ['active', 'other'])
      assert.deepEqual(await listed({ tag: 'eu', queue: 'mail' }), ['mail'])
      assert.deepEqual(await listed({ tag: 'eu', states: ['failed', 'scheduled'] }), ['failed', 'later'])
      assert.deepEqual(await listed({ tag: 'nobody' }), [])
      await broker.remove(['failed'])
      assert.deepEqual(await listed({ tag: 'eu', states: ['failed'] }), [])
    },
  },
  {
    name: 'list filters by when a job was created and when it has finished',
    async run({ broker, clock }) {
      const startMs = clock.now()
      const worker = lane(broker)
      for (const id of ['first', 'second', 'third']) {
        await broker.enqueue([job(id, { createdAtMs: clock.now() })])
        await worker.settle((id === 'second' ? fail : succeed)(await worker.claimOne()))
        await clock.advance(20_000)
      }
      await broker.enqueue([job('open', { createdAtMs: clock.now() })])
      const listed = async (filter: Parameters<typeof broker.list>[0]) => idsOf(await listAll(broker, filter)).sort()
      const [secondMs, thirdMs] = [startMs + 20_000, startMs + 40_000]
      assert.deepEqual(await listed({ createdFromMs: secondMs }), ['open', 'second', 'third'])
      assert.deepEqual(await listed({ createdToMs: thirdMs }), ['first', 'second'])
      assert.deepEqual(await listed({ finishedFromMs: secondMs }), ['second', 'third'])
      assert.deepEqual(await listed({ finishedToMs: secondMs }), ['first'])
      assert.deepEqual(await listed({ finishedFromMs: secondMs, finishedToMs: thirdMs }), ['second'])
      assert.deepEqual(await listed({ finishedToMs: thirdMs, states: ['failed'] }), ['second'])
      assert.deepEqual(await listed({ finishedFromMs: startMs, states: ['queued'] }), [])
    },
  },
  {
    name: 'list tells of every job once, also of those that have been cancelled, replayed, promoted and lost',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const epochOf = async (id: string) => (await broker.get([id]))[0]?.epoch ?? 0
      await worker.settle(fail(await active(broker, worker, 'failed')))
      await worker.settle(fail(await active(broker, worker, 'replayed')))
      await worker.settle(succeed(await active(broker, worker, 'succeeded')))
      await worker.settle(retryIn(await active(broker, worker, 'retrying'), 60_000))
      await active(broker, worker, 'active')
      const timed = ['cancelled later', 'promoted', 'due'].map((id) => job(id, { delayMs: 60_000 }))
      await broker.enqueue([
        ...timed,
        job('cancelled'),
        job('cancelled twice'),
        job('urgent', { priority: 1 }),
        job('queued'),
      ])
      await broker.cancel(['cancelled', 'cancelled later', 'cancelled twice'])
      await clock.advance(20_000)
      await broker.retry([{ id: 'replayed', epoch: await epochOf('replayed') }])
      await broker.retry([{ id: 'cancelled twice', epoch: await epochOf('cancelled twice') }])
      await broker.cancel(['cancelled twice'])
      await broker.promote([{ id: 'promoted', epoch: 0 }])
      await clock.advance(1_000)
      const ids = [
        ...['active', 'cancelled', 'cancelled later', 'cancelled twice', 'due', 'failed', 'promoted', 'queued'],
        ...['replayed', 'retrying', 'succeeded', 'urgent'],
      ]
      for (const limit of [1, 2, 3, 1_000]) assert.deepEqual(idsOf(await listAll(broker, { limit })).sort(), ids)
      const cancelled = idsOf(await listAll(broker, { limit: 1, states: ['cancelled'] })).sort()
      assert.deepEqual(cancelled, ['cancelled', 'cancelled later', 'cancelled twice'])
    },
  },
  {
    name: 'list leaves out none of those that are there all along, while what it has listed is changed',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue([
        ...jobs(6, 'failing'),
        ...jobs(6, 'later', { delayMs: 60_000 }),
        ...jobs(6, 'urgent', { priority: 1 }),
      ])
      await broker.enqueue(jobs(6, 'soon', { delayMs: 30_000 }))
      const failing = await worker.claim(12)
      await worker.settle(...failing.slice(6).map((claimed) => fail(claimed)))
      const states = ['failed', 'scheduled'] as const
      const seen: string[] = []
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page: JobPage = await broker.list({ states, limit: 2, ...(cursor ? { cursor } : {}) })
        seen.push(...idsOf(page.jobs))
        await broker.retry(page.jobs.map(({ id, epoch }) => ({ id, epoch })))
        await broker.promote(page.jobs.map(({ id, epoch }) => ({ id, epoch })))
        cursor = page.cursor
      }
      assert.deepEqual(seen.sort(), idsOf([...jobs(6, 'failing'), ...jobs(6, 'later'), ...jobs(6, 'soon')]))
    },
  },
  {
    name: 'list refuses a limit or a cursor that cannot be',
    async run({ broker }) {
      for (const filter of [
        { limit: 0 },
        { limit: 1_001 },
        { limit: 1.5 },
        { cursor: "'; drop table" },
        { cursor: '' },
        { cursor: '%' },
        { cursor: '[1]' },
      ])
        await assert.rejects(broker.list(filter), { name: 'InvalidOption' })
    },
  },
  {
    name: 'stats count jobs by queue and state',
    async run({ broker, clock }) {
      const worker = lane(broker)
      await worker.settle(fail(await active(broker, worker, 'failed')))
      await worker.settle(retryIn(await active(broker, worker, 'retrying'), 5_000))
      await active(broker, worker, 'active')
      await broker.enqueue([...jobs(2), job('later', { delayMs: 1_000 }), job('mail', { queue: 'mail' })])
      const { queues, workers, nowMs } = await broker.stats()
      assert.deepEqual([workers, nowMs], [[], clock.now()])
      assert.deepEqual(
        queues.map(({ queue, counts }) => [queue, counts]),
        [
          ['default', { failed: 1, active: 1, queued: 2, scheduled: 2 }],
          ['mail', { queued: 1 }],
        ],
      )
    },
  },
  {
    name: 'stats of queues that are named are of those alone, used or not',
    async run({ broker, clock }) {
      await broker.enqueue([job('a', { queue: 'a' }), job('b', { queue: 'b' }), job('c', { queue: 'c' })])
      await broker.setPaused('b', true, 0)
      const { nowMs, queues, workers } = await broker.stats({ queues: ['b', 'a', 'nobody', 'a'] })
      assert.deepEqual(
        queues.map(({ queue, paused, revision, counts }) => [queue, paused, revision, counts]),
        [
          ['a', false, 0, { queued: 1 }],
          ['b', true, 1, { queued: 1 }],
          ['nobody', false, 0, {}],
        ],
      )
      assert.deepEqual([nowMs, workers], [clock.now(), []])
      assert.deepEqual((await broker.stats({ queues: [] })).queues, [])
    },
  },
  {
    name: 'a broker that holds nothing says so',
    async run({ broker, clock }) {
      assert.deepEqual(await broker.stats(), { nowMs: clock.now(), queues: [], workers: [] })
      assert.deepEqual(await broker.list({}), { jobs: [], cursor: null })
      assert.equal(await broker.prune(), 0)
      assert.deepEqual([await broker.cancel([]), await broker.retry([]), await broker.remove([])], [[], [], []])
    },
  },
]
