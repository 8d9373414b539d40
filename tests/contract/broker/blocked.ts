/** Operations on the jobs of schedules with a rule of overlap: whatever a call does to many of them, the turn goes to who is left. */
import assert from 'node:assert/strict'
import type { ClaimedJob } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import type { Case, Context } from '../subject.ts'
import { fail, idsOf, job, lane, read, stateOf, succeed } from '../verbs.ts'
import { overlapTick } from './overlap.ts'
import { set } from './schedules.ts'

/** Jobs of one schedule: `digest.0` is ready, those behind it are blocked. */
async function waiting({ broker, clock }: Context, count: number, jobOf: (n: number) => Partial<Job> = () => ({})) {
  const startMs = clock.now()
  await broker.setSchedules([set('digest', { dueAtMs: startMs })])
  await broker.fire(
    Array.from({ length: count }, (_, n) =>
      overlapTick(startMs, n, 'bufferAll', { schedule: 'digest', job: jobOf(n) }),
    ),
  )
  const ids = Array.from({ length: count }, (_, n) => `digest.${n}`)
  return {
    ids,
    states: async () => (await broker.get(ids)).map((record) => record?.state ?? null),
    fireNext: async () => (await broker.fire([overlapTick(startMs, count, 'bufferAll')]))[0],
  }
}

export const blockedCases: readonly Case[] = [
  {
    name: 'jobs that are cancelled in one call free the first one behind them, and no other',
    async run(ctx) {
      const { broker } = ctx
      const { states } = await waiting(ctx, 6)
      assert.deepEqual(await broker.cancel(['digest.3', 'digest.1', 'digest.0']), Array(3).fill('cancelled'))
      assert.deepEqual(await states(), ['cancelled', 'cancelled', 'queued', 'cancelled', 'blocked', 'blocked'])
      const by = lane(broker)
      const held = await by.claimOne()
      assert.deepEqual([held.id, await by.claim(10)], ['digest.2', []])
      assert.deepEqual(idsOf(await by.claim(10, { settle: [succeed(held)] })), ['digest.4'])
    },
  },
  {
    name: 'jobs that are removed in one call free the first one behind them, and no other',
    async run(ctx) {
      const { broker } = ctx
      const { states } = await waiting(ctx, 5)
      assert.deepEqual(await broker.remove(['digest.0', 'digest.1', 'digest.3']), Array(3).fill('removed'))
      assert.deepEqual(await states(), [null, null, 'queued', null, 'blocked'])
      const [stats] = (await broker.stats({ queues: ['default'] })).queues
      assert.equal(stats?.counts.scheduled, 1)
    },
  },
  {
    name: 'jobs of several schedules that are cancelled in one call free one of each',
    async run({ broker, clock }) {
      const startMs = clock.now()
      const names = Array.from({ length: 20 }, (_, n) => `s-${n}`)
      await broker.setSchedules(names.map((name) => set(name, { dueAtMs: startMs })))
      const ticksOf = (schedule: string) => [0, 1, 2].map((n) => overlapTick(startMs, n, 'bufferAll', { schedule }))
      await broker.fire(names.flatMap(ticksOf))
      assert.deepEqual(await broker.cancel(names.map((name) => `${name}.0`)), Array(20).fill('cancelled'))
      const freed = idsOf(await lane(broker).claim(100))
      assert.deepEqual(freed.toSorted(), names.map((name) => `${name}.1`).toSorted())
    },
  },
  {
    name: 'a blocked job that is cancelled while the one before it runs frees nobody',
    async run(ctx) {
      const { broker } = ctx
      const { states } = await waiting(ctx, 3)
      const by = lane(broker)
      const held = await by.claimOne()
      await broker.cancel(['digest.1'])
      assert.deepEqual(await states(), ['active', 'cancelled', 'blocked'])
      await by.settle(succeed(held))
      assert.deepEqual(await states(), ['succeeded', 'cancelled', 'queued'])
    },
  },
  {
    name: 'jobs that are replayed in one call stand in nobody’s way',
    async run(ctx) {
      const { broker } = ctx
      const { fireNext, ids } = await waiting(ctx, 2)
      const by = lane(broker)
      for (const _ of ids) await by.settle(fail(await by.claimOne()))
      const refs = await Promise.all(ids.map(async (id) => ({ id, epoch: (await read(broker, id)).epoch })))
      assert.deepEqual(await broker.retry(refs), ['queued', 'queued'])
      assert.equal(await fireNext(), 'fired')
      assert.deepEqual(idsOf(await by.claim(10)).toSorted(), ['digest.0', 'digest.1', 'digest.2'])
    },
  },
  {
    name: 'a blocked job is listed as such, and not promoted: it waits for no time',
    async run(ctx) {
      const { broker } = ctx
      const { ids, states } = await waiting(ctx, 3)
      assert.deepEqual(idsOf((await broker.list({ states: ['blocked'] })).jobs).toSorted(), ['digest.1', 'digest.2'])
      const refs = await Promise.all(ids.map(async (id) => ({ id, epoch: (await read(broker, id)).epoch })))
      assert.deepEqual(await broker.promote(refs), ['moved', 'moved', 'moved'])
      assert.deepEqual(await states(), ['queued', 'blocked', 'blocked'])
      assert.deepEqual(idsOf(await lane(broker).claim(10)), ['digest.0'])
    },
  },
  {
    name: 'a job that is promoted keeps its turn, and frees the one behind it once it has finished',
    async run(ctx) {
      const { broker } = ctx
      const { states } = await waiting(ctx, 2, (n) => (n === 0 ? { delayMs: 60_000 } : {}))
      assert.deepEqual(await states(), ['scheduled', 'blocked'])
      assert.deepEqual(await broker.promote([{ id: 'digest.0', epoch: 0 }]), ['queued'])
      const by = lane(broker)
      const held = await by.claimOne()
      assert.deepEqual(await states(), ['active', 'blocked'])
      await by.settle(succeed(held))
      assert.deepEqual(await states(), ['succeeded', 'queued'])
    },
  },
  {
    name: 'a purge removes the blocked jobs as well, and frees none of those that are gone',
    async run(ctx) {
      const { broker } = ctx
      const { states, fireNext } = await waiting(ctx, 30)
      await broker.enqueue([job('ready'), job('later', { delayMs: 60_000 })])
      const by = lane(broker)
      const held = await by.claimOne()
      assert.deepEqual(await broker.purge('default', 0), { outcome: 'purged', removed: 31, more: false })
      assert.deepEqual(await states(), ['active', ...Array(29).fill(null)])
      const [stats] = (await broker.stats({ queues: ['default'] })).queues
      assert.deepEqual(stats?.counts, { active: 1 })
      assert.equal(await fireNext(), 'fired')
      assert.equal(await stateOf(broker, 'digest.30'), 'blocked')
      assert.equal((await by.claimOne({ settle: [succeed(held)] })).id, 'digest.30')
    },
  },
  {
    name: 'a purge that goes as far as its limit comes to the blocked jobs too',
    async run(ctx) {
      const { broker } = ctx
      await waiting(ctx, 5)
      const held = await lane(broker).claimOne()
      assert.deepEqual(await broker.purge('default', 0, 3), { outcome: 'purged', removed: 3, more: true })
      assert.deepEqual(await broker.purge('default', 1, 3), { outcome: 'purged', removed: 1, more: false })
      assert.deepEqual(await lane(broker, 'w.2.0').claim(10, { settle: [succeed(held)] }), [])
    },
  },
  {
    name: 'a purge frees a job of another queue that waits for one of those removed',
    async run(ctx) {
      const { broker } = ctx
      const { states } = await waiting(ctx, 3, (n) => (n === 2 ? { queue: 'mail' } : {}))
      assert.equal((await broker.purge('default', 0)).removed, 2)
      assert.deepEqual(await states(), [null, null, 'queued'])
      const claimed: readonly ClaimedJob[] = await lane(broker).claim(10, { queues: ['mail'] })
      assert.deepEqual(idsOf(claimed), ['digest.2'])
    },
  },
]
