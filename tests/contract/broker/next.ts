import assert from 'node:assert/strict'
import type { ExchangeReply } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import { active, fail, job, jobs, LEASE_MS, lane, release, retryIn, succeed } from '../verbs.ts'

const inMs = ({ nextAtMs, nowMs }: ExchangeReply) => (nextAtMs === null ? null : nextAtMs - nowMs)

export const nextCases: readonly Case[] = [
  {
    name: 'nextAtMs is null when nothing is in sight',
    async run({ broker }) {
      const worker = lane(broker)
      assert.equal((await worker.exchange({ want: 1 })).nextAtMs, null)
      const held = await active(broker, worker, 'a')
      assert.equal((await worker.exchange({ want: 1, settle: [fail(held)] })).nextAtMs, null)
    },
  },
  {
    name: 'nextAtMs is when the next job falls due',
    async run({ broker }) {
      await broker.enqueue([job('later', { delayMs: 9_000 }), job('sooner', { delayMs: 4_000 })])
      assert.equal(inMs(await lane(broker).exchange({ want: 1 })), 4_000)
    },
  },
  {
    name: 'nextAtMs is the earliest of all served queues and of no other',
    async run({ broker }) {
      await broker.enqueue([
        job('a', { queue: 'a', delayMs: 9_000 }),
        job('b', { queue: 'b', delayMs: 4_000 }),
        job('c', { queue: 'c', delayMs: 1_000 }),
      ])
      assert.equal(inMs(await lane(broker).exchange({ want: 1, queues: ['a', 'b'] })), 4_000)
    },
  },
  {
    name: 'nextAtMs counts a retry that the same exchange settles',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      assert.equal(inMs(await worker.exchange({ want: 1, settle: [retryIn(held, 2_500)] })), 2_500)
    },
  },
  {
    name: 'nextAtMs counts what the same exchange puts back for later',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      assert.equal(inMs(await worker.exchange({ want: 1, settle: [release(held, 1_500)] })), 1_500)
    },
  },
  {
    name: 'nextAtMs counts the leases that the same exchange gives',
    async run({ broker }) {
      await broker.enqueue([job('a')])
      assert.equal(inMs(await lane(broker).exchange({ want: 2 })), LEASE_MS)
    },
  },
  {
    name: 'nextAtMs counts the leases of other workers and their extensions',
    async run({ broker, clock }) {
      const [worker, idle] = [lane(broker), lane(broker, 'idle.1.0')]
      const held = await active(broker, worker, 'a')
      await clock.advance(20_000)
      assert.equal(inMs(await idle.exchange({ want: 1 })), LEASE_MS - 20_000)
      await worker.extend(held)
      assert.equal(inMs(await idle.exchange({ want: 1 })), LEASE_MS)
    },
  },
  {
    name: 'nextAtMs is now while something claimable is left',
    async run({ broker }) {
      await broker.enqueue(jobs(3))
      const worker = lane(broker)
      assert.equal(inMs(await worker.exchange({ want: 2 })), 0)
      assert.equal(inMs(await worker.exchange({ want: 2 })), LEASE_MS)
    },
  },
  {
    name: 'nextAtMs of an exchange that is sent again is as of then',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await worker.exchange({ want: 1, settle: [retryIn(held, 2_500)] })
      await clock.advance(1_000)
      assert.equal(inMs(await worker.again()), 1_500)
    },
  },
  {
    name: 'nextAtMs sees nothing of a job that has succeeded',
    async run({ broker }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      assert.equal(inMs(await worker.exchange({ want: 1, settle: [succeed(held)] })), null)
    },
  },
  {
    name: 'nextAtMs for a claim without takeLost sees no lost job that only others may take',
    async run({ broker, clock }) {
      await active(broker, lane(broker, 'dead.1.0'), 'a')
      await clock.advance(LEASE_MS)
      const reply = await lane(broker, 'careful.1.0').exchange({ want: 10, takeLost: false })
      assert.deepEqual([reply.jobs, reply.nextAtMs], [[], null])
    },
  },
]
