import assert from 'node:assert/strict'
import { MAX_LOST_LEASES } from '../../../src/broker.ts'
import type { Case, Context } from '../subject.ts'
import { active, cancelled, idsOf, job, jobs, LEASE_MS, lane, read, release, stateOf, succeed } from '../verbs.ts'

/** A worker that claims and is never heard of again, until its lease is over. */
async function loseLease({ broker, clock }: Context, round: number, want = 1): Promise<readonly string[]> {
  const claimed = await lane(broker, `dead.${round}.0`).claim(want)
  await clock.advance(LEASE_MS)
  return idsOf(claimed)
}

/** Moves to the moment at which the broker says that something becomes claimable. Answers how far that was. */
async function advanceToNext({ broker, clock }: Context, name: string): Promise<number> {
  const { nextAtMs, nowMs } = await lane(broker, `probe.${name}.0`).exchange()
  assert.ok(nextAtMs !== null, 'expected something in sight, got nothing')
  const inMs = Math.max(0, nextAtMs - nowMs)
  await clock.advance(inMs)
  return inMs
}

/** Has a job of the queue, the only one there, lose its last lease. The next exchange finds it so. */
export async function loseTooOften(ctx: Context): Promise<void> {
  for (let round = 1; round <= MAX_LOST_LEASES; round++) {
    await loseLease(ctx, round)
    if (round < MAX_LOST_LEASES) await advanceToNext(ctx, `${round}`)
  }
}

export const leaseCases: readonly Case[] = [
  {
    name: 'a job whose worker went away is claimable the moment its lease is over, not before',
    async run({ broker, clock }) {
      await active(broker, lane(broker, 'dead.1.0'), 'a')
      const other = lane(broker, 'other.1.0')
      await clock.advance(LEASE_MS - 1)
      const before = await other.exchange({ want: 1 })
      assert.deepEqual([before.jobs, before.nextAtMs], [[], clock.now() + 1])
      await clock.advance(1)
      const { attempt, lost } = await other.claimOne()
      assert.deepEqual([attempt, lost], [1, 1])
    },
  },
  {
    name: 'a job that has lost its lease comes back at once the first time, later and later after that',
    async run(ctx) {
      await ctx.broker.enqueue([job('a')])
      const waitsMs: number[] = []
      for (let round = 1; round < MAX_LOST_LEASES; round++) {
        assert.deepEqual(await loseLease(ctx, round), ['a'])
        waitsMs.push(await advanceToNext(ctx, `${round}`))
      }
      assert.equal(waitsMs[0], 0)
      for (const [before, waitMs] of waitsMs.slice(1).entries()) {
        const lost = before + 1
        assert.ok(waitMs > 0 && waitMs <= lost * LEASE_MS, `expected at most ${lost} leases, got ${waitMs} ms`)
        assert.ok(waitMs >= (lost * LEASE_MS) / 2, `expected half of ${lost} leases or more, got ${waitMs} ms`)
      }
    },
  },
  {
    name: 'a job that keeps killing its worker fails, with a reason that says so',
    async run(ctx) {
      const { broker } = ctx
      await broker.enqueue([job('poison')])
      for (let round = 1; round <= MAX_LOST_LEASES; round++) {
        assert.deepEqual(await loseLease(ctx, round), ['poison'])
        if (round < MAX_LOST_LEASES) await advanceToNext(ctx, `${round}`)
      }
      assert.deepEqual(await lane(broker, 'last.1.0').claim(), [])
      const { state, lost, error, attempts, finishedAtMs } = await read(broker, 'poison')
      assert.deepEqual([state, lost, attempts], ['failed', MAX_LOST_LEASES, 0])
      assert.equal(finishedAtMs, ctx.clock.now())
      assert.match(error?.message ?? '', /worker/)
    },
  },
  {
    name: 'one claim takes one job that has lost a lease, beside any number of others',
    async run(ctx) {
      const { broker } = ctx
      await broker.enqueue(jobs(3, 'lost'))
      await loseLease(ctx, 1, 3)
      await broker.enqueue(jobs(3, 'fresh'))
      const claimed = await lane(broker, 'other.1.0').claim(10)
      assert.deepEqual(claimed.filter(({ lost }) => lost > 0).length, 1)
      assert.deepEqual(idsOf(claimed.filter(({ lost }) => lost === 0)), ['fresh-0000', 'fresh-0001', 'fresh-0002'])
      assert.equal((await lane(broker, 'other.1.1').claim(10)).length, 1)
    },
  },
  {
    name: 'one claim takes one lost job over all its queues',
    async run(ctx) {
      const { broker, clock } = ctx
      await broker.enqueue([job('a', { queue: 'a' }), job('b', { queue: 'b' })])
      await lane(broker, 'dead.1.0').claim(2, { queues: ['a', 'b'] })
      await clock.advance(LEASE_MS)
      assert.equal((await lane(broker, 'other.1.0').claim(10, { queues: ['a', 'b'] })).length, 1)
    },
  },
  {
    name: 'a claim without takeLost leaves jobs that have lost a lease to others',
    async run(ctx) {
      const { broker } = ctx
      await broker.enqueue([job('lost')])
      await loseLease(ctx, 1)
      await broker.enqueue([job('fresh')])
      const careful = lane(broker, 'careful.1.0')
      assert.deepEqual(idsOf(await careful.claim(10, { takeLost: false })), ['fresh'])
      assert.deepEqual(idsOf(await careful.claim(10, { takeLost: false })), [])
      assert.deepEqual(idsOf(await lane(broker, 'other.1.0').claim(10)), ['lost'])
    },
  },
  {
    name: 'a lease that has expired but was not taken still settles',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await clock.advance(10 * LEASE_MS)
      const { late, jobs: claimed } = await worker.exchange({ want: 1, settle: [succeed(held)] })
      assert.deepEqual([late, claimed, await stateOf(broker, 'a')], [[], [], 'succeeded'])
    },
  },
  {
    name: 'a lease that has expired but was not taken can still be extended',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await clock.advance(LEASE_MS + 1)
      const { late, jobs: claimed } = await worker.exchange({ want: 1, extend: [held] })
      assert.deepEqual([late, claimed], [[], []])
      const { atMs, lost } = await read(broker, 'a')
      assert.deepEqual([atMs, lost], [clock.now() + LEASE_MS, 0])
    },
  },
  {
    name: 'an extended lease lasts from then on',
    async run({ broker, clock }) {
      const [worker, other] = [lane(broker), lane(broker, 'other.1.0')]
      const held = await active(broker, worker, 'a')
      for (let round = 0; round < 5; round++) {
        await clock.advance(LEASE_MS - 1)
        assert.deepEqual((await worker.extend(held)).late, [])
        assert.deepEqual(await other.claim(), [])
      }
      await clock.advance(LEASE_MS)
      assert.equal((await other.claimOne()).id, 'a')
    },
  },
  {
    name: 'leases of queues that nobody serves are left alone',
    async run({ broker, clock }) {
      await broker.enqueue([job('a', { queue: 'other' })])
      await lane(broker, 'dead.1.0').claim(1, { queues: ['other'] })
      await clock.advance(LEASE_MS)
      const { jobs: claimed, nextAtMs } = await lane(broker).exchange({ want: 10 })
      assert.deepEqual([claimed, nextAtMs, await stateOf(broker, 'a')], [[], null, 'active'])
    },
  },
  {
    name: 'a job that is released again and again loses no lease by it',
    async run({ broker }) {
      const worker = lane(broker)
      await broker.enqueue([job('a')])
      for (let round = 0; round < 2 * MAX_LOST_LEASES; round++) await worker.settle(release(await worker.claimOne()))
      assert.deepEqual([(await read(broker, 'a')).lost, await stateOf(broker, 'a')], [0, 'queued'])
    },
  },
  {
    name: 'a job whose cancellation was asked for is cancelled when its worker goes away',
    async run({ broker, clock }) {
      await active(broker, lane(broker, 'dead.1.0'), 'a')
      await broker.cancel(['a'])
      await clock.advance(LEASE_MS)
      assert.deepEqual(await lane(broker, 'other.1.0').claim(), [])
      assert.equal(await stateOf(broker, 'a'), 'cancelled')
    },
  },
  {
    name: 'a live lease is not taken when the wall clock steps',
    async run({ broker, clock }) {
      const [worker, other] = [lane(broker), lane(broker, 'other.1.0')]
      const held = await active(broker, worker, 'a')
      clock.stepWall(600_000)
      assert.deepEqual(await other.claim(), [])
      await clock.advance(LEASE_MS / 3)
      assert.deepEqual((await worker.extend(held)).late, [])
      await clock.advance(LEASE_MS - 1)
      assert.deepEqual(await other.claim(), [])
      assert.deepEqual((await worker.settle(succeed(held))).late, [])
      assert.equal(await stateOf(broker, 'a'), 'succeeded')
    },
  },
  {
    name: 'a dead worker’s job comes back although the wall clock stepped',
    async run({ broker, clock }) {
      const other = lane(broker, 'other.1.0')
      await active(broker, lane(broker, 'dead.1.0'), 'a')
      clock.stepWall(600_000)
      assert.deepEqual(await other.claim(), [])
      await clock.advance(2 * LEASE_MS)
      assert.equal((await other.claimOne()).id, 'a')
    },
  },
  {
    name: 'a job that was cancelled by its worker after the lease had expired stays cancelled',
    async run({ broker, clock }) {
      const worker = lane(broker)
      const held = await active(broker, worker, 'a')
      await clock.advance(LEASE_MS + 5)
      await worker.settle(cancelled(held))
      assert.deepEqual([await lane(broker, 'other.1.0').claim(), await stateOf(broker, 'a')], [[], 'cancelled'])
    },
  },
]
