import assert from 'node:assert/strict'
import { MAX_BATCH_BYTES } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import { idsOf, job, jobs, LEASE_MS, lane, read, stateOf, succeed } from '../verbs.ts'

const text = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`

export const claimCases: readonly Case[] = [
  {
    name: 'a claim brings the job and its lease',
    async run({ broker, clock }) {
      await broker.enqueue([job('a', { createdAtMs: 77 })])
      const { epoch, ...claimed } = await lane(broker).claimOne()
      assert.deepEqual(claimed, {
        id: 'a',
        v: 1,
        task: 'digest',
        queue: 'default',
        input: '{"of":"a"}',
        attempt: 1,
        lost: 0,
        createdAtMs: 77,
        tick: null,
      })
      const record = await read(broker, 'a')
      assert.deepEqual(
        [record.state, record.atMs, record.epoch, record.attempts],
        ['active', clock.now() + LEASE_MS, epoch, 0],
      )
    },
  },
  {
    name: 'jobs are claimed first in, first out, and no more than wanted',
    async run({ broker }) {
      await broker.enqueue(jobs(5))
      const worker = lane(broker)
      assert.deepEqual(idsOf(await worker.claim(2)), ['job-0000', 'job-0001'])
      assert.deepEqual(idsOf(await worker.claim(10)), ['job-0002', 'job-0003', 'job-0004'])
      assert.deepEqual(await worker.claim(10), [])
    },
  },
  {
    name: 'an exchange that wants nothing claims nothing',
    async run({ broker }) {
      await broker.enqueue([job('a')])
      assert.deepEqual((await lane(broker).exchange({ want: 0 })).jobs, [])
      assert.equal(await stateOf(broker, 'a'), 'queued')
    },
  },
  {
    name: 'an active job is claimed by nobody else',
    async run({ broker }) {
      await broker.enqueue([job('a')])
      await lane(broker).claimOne()
      assert.deepEqual(await lane(broker, 'other.1.0').claim(10), [])
    },
  },
  {
    name: 'a higher priority is claimed first, a lower one last, and equals in their order',
    async run({ broker }) {
      await broker.enqueue([
        job('low', { priority: -1 }),
        job('first'),
        job('high', { priority: 5 }),
        job('highest', { priority: 1_000_000 }),
        job('second'),
        job('high too', { priority: 5 }),
      ])
      assert.deepEqual(idsOf(await lane(broker).claim(10)), ['highest', 'high', 'high too', 'first', 'second', 'low'])
    },
  },
  {
    name: 'of equal priorities the first ones are claimed first, however few at a time',
    async run({ broker, clock }) {
      for (const id of ['a', 'b', 'c', 'd', 'e']) {
        await broker.enqueue([job(id, { priority: 5 })])
        await clock.advance(1)
      }
      await broker.enqueue([job('urgent', { priority: 9 }), job('later', { priority: -1 })])
      const worker = lane(broker)
      const claimed: string[][] = []
      for (const want of [3, 1, 2, 5]) claimed.push(idsOf(await worker.claim(want)))
      assert.deepEqual(claimed, [['urgent', 'a', 'b'], ['c'], ['d', 'e'], ['later']])
    },
  },
  {
    name: 'a delayed job keeps its priority when it falls due',
    async run({ broker, clock }) {
      await broker.enqueue([job('first'), job('urgent', { priority: 9, delayMs: 1_000 })])
      await clock.advance(1_000)
      assert.deepEqual(idsOf(await lane(broker).claim(10)), ['urgent', 'first'])
    },
  },
  {
    name: 'queues are served in the order in which the exchange names them',
    async run({ broker }) {
      await broker.enqueue([job('a1', { queue: 'a' }), job('b1', { queue: 'b' }), job('b2', { queue: 'b' })])
      const worker = lane(broker)
      assert.deepEqual(idsOf(await worker.claim(2, { queues: ['b', 'a'] })), ['b1', 'b2'])
      assert.deepEqual(idsOf(await worker.claim(2, { queues: ['b', 'a'] })), ['a1'])
    },
  },
  {
    name: 'a queue that is not served is left alone, also what is due in it',
    async run({ broker, clock }) {
      await broker.enqueue([job('a', { queue: 'other' }), job('due', { queue: 'other', delayMs: 1_000 })])
      await clock.advance(1_000)
      const reply = await lane(broker).exchange({ want: 10 })
      assert.deepEqual([reply.jobs, reply.nextAtMs], [[], null])
      assert.deepEqual(idsOf(await lane(broker, 'other.1.0').claim(10, { queues: ['other'] })).sort(), ['a', 'due'])
    },
  },
  {
    name: 'a claim brings at most 4 MB, and the rest comes with the next ones',
    async run({ broker }) {
      const large = jobs(9, 'large', { input: text(1_000_000) })
      for (const one of large) await broker.enqueue([one])
      const worker = lane(broker)
      const taken: string[] = []
      for (let round = 0; round < 9 && taken.length < 9; round++) {
        const claimed = await worker.claim(9)
        const bytes = claimed.reduce((sum, { input }) => sum + input.length, 0)
        assert.ok(bytes <= MAX_BATCH_BYTES, `expected at most 4 MB, got ${bytes}`)
        taken.push(...idsOf(claimed))
      }
      assert.deepEqual(taken, idsOf(large))
    },
  },
  {
    name: 'a claim that leaves large jobs behind says that there is more now',
    async run({ broker }) {
      for (const one of jobs(5, 'large', { input: text(1_000_000) })) await broker.enqueue([one])
      const { jobs: claimed, nextAtMs, nowMs } = await lane(broker).exchange({ want: 5 })
      assert.ok(claimed.length < 5)
      assert.ok(nextAtMs !== null && nextAtMs <= nowMs)
    },
  },
  {
    name: 'a job larger than 4 MB goes alone, so that none is too large to be claimed',
    async run({ broker }) {
      const huge = job('huge', { input: text(4_200_000) })
      await broker.enqueue([huge])
      await broker.enqueue([job('small')])
      const worker = lane(broker)
      const [claimed, ...more] = await worker.claim(10)
      assert.equal(claimed?.id, 'huge')
      assert.equal(claimed?.input.length, 4_200_000)
      assert.deepEqual(more, [])
      assert.deepEqual(idsOf(await worker.claim(10)), ['small'])
    },
  },
  {
    name: 'one exchange settles 500 jobs and claims 500 others',
    async run({ broker }) {
      await broker.enqueue(jobs(1_000))
      const worker = lane(broker)
      const first = await worker.claim(500)
      const { jobs: second, late } = await worker.exchange({ want: 500, settle: first.map((one) => succeed(one)) })
      assert.deepEqual([first.length, second.length, late], [500, 500, []])
      assert.equal(new Set([...idsOf(first), ...idsOf(second)]).size, 1_000)
      assert.equal(await stateOf(broker, 'job-0499'), 'succeeded')
    },
  },
]
