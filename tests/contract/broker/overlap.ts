/** Rules of overlap: what becomes of a tick while a job of an earlier one has not finished. */
import assert from 'node:assert/strict'
import { type Broker, type ClaimedJob, MAX_BLOCKED, MAX_LOST_LEASES, type Tick } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import type { Overlap } from '../../../src/schedule.ts'
import type { VirtualClock } from '../../support/clock.ts'
import type { Case, Context } from '../subject.ts'
import {
  cancelled,
  fail,
  idsOf,
  job,
  LEASE_MS,
  lane,
  read,
  retryIn,
  stateOf,
  succeed,
  type TestLane,
} from '../verbs.ts'
import { remove, set, stored } from './schedules.ts'

const EVERY_MS = 60_000

/** The n-th tick of a schedule whose first one is due at `startMs`; its job is `name.n`. */
export const overlapTick = (
  startMs: number,
  n: number,
  overlap: Overlap | undefined,
  { schedule = 'digest', revision = 1, ...given }: Omit<Partial<Tick>, 'job'> & { readonly job?: Partial<Job> } = {},
): Tick => ({
  schedule,
  revision,
  dueAtMs: startMs + n * EVERY_MS,
  nextDueAtMs: startMs + (n + 1) * EVERY_MS,
  ...given,
  job: job(`${schedule}.${n}`, given.job ?? {}),
  ...(overlap ? { overlap } : {}),
})

/** A schedule, and what fires its ticks one after the other. */
async function overlapping({ broker, clock }: Context, overlap: Overlap | undefined, given: Partial<Job> = {}) {
  const startMs = clock.now()
  await broker.setSchedules([set('digest', { dueAtMs: startMs })])
  let n = 0
  const ticks = (count: number, rule: Overlap | undefined) =>
    Array.from({ length: count }, () => overlapTick(startMs, n++, rule, { job: given }))
  return {
    fire: async (rule = overlap) => (await broker.fire(ticks(1, rule)))[0],
    fireTogether: (count: number) => broker.fire(ticks(count, overlap)),
    /** Sends the n-th tick once more. */
    again: async (at: number) => (await broker.fire([overlapTick(startMs, at, overlap, { job: given })]))[0],
    dueMs: (at: number) => startMs + at * EVERY_MS,
  }
}

const statesOf = async (broker: Broker, count: number) =>
  (await broker.get(Array.from({ length: count }, (_, n) => `digest.${n}`))).map((record) => record?.state ?? null)

/** Every way in which a claimed job finishes. */
const ENDS: Readonly<Record<string, (ctx: Context, by: TestLane, held: ClaimedJob) => Promise<unknown>>> = {
  succeeds: (_, by, held) => by.settle(succeed(held)),
  fails: (_, by, held) => by.settle(fail(held)),
  'is cancelled by its worker': (_, by, held) => by.settle(cancelled(held)),
  'is cancelled and would be tried again': async ({ broker }, by, held) => {
    await broker.cancel([held.id])
    await by.settle(retryIn(held, 1_000))
  },
  'is cancelled and loses its lease': async ({ broker, clock }, by, held) => {
    await broker.cancel([held.id])
    await clock.advance(LEASE_MS)
    await by.exchange()
  },
  'is cancelled while it waits to be tried again': async ({ broker }, by, held) => {
    await by.settle(retryIn(held, 60_000))
    await broker.cancel([held.id])
  },
  'is removed while it waits to be tried again': async ({ broker }, by, held) => {
    await by.settle(retryIn(held, 60_000))
    await broker.remove([held.id])
  },
  'loses its last lease': async ({ clock }, by) => {
    for (let lost = 1; lost < MAX_LOST_LEASES; lost++) await untilClaimed(clock, by)
    await clock.advance(LEASE_MS)
    await by.exchange()
  },
}

async function untilClaimed(clock: VirtualClock, by: TestLane): Promise<void> {
  do await clock.advance(LEASE_MS)
  while ((await by.claim(1)).length === 0)
}

export const overlapCases: readonly Case[] = [
  {
    name: 'ticks without a rule of overlap do not look at the jobs before them',
    async run(ctx) {
      const { fire } = await overlapping(ctx, undefined)
      assert.deepEqual([await fire(), await fire()], ['fired', 'fired'])
      assert.deepEqual(await statesOf(ctx.broker, 2), ['queued', 'queued'])
    },
  },
  {
    name: 'skip: while a job is queued, active or to be tried again, a tick makes none and the schedule moves on',
    async run(ctx) {
      const { broker, clock } = ctx
      const { fire, dueMs } = await overlapping(ctx, 'skip')
      const by = lane(broker)
      assert.deepEqual([await fire(), await fire()], ['fired', 'skipped'])
      const { dueAtMs, lastDueAtMs } = await stored(broker)
      assert.deepEqual([dueAtMs, lastDueAtMs], [dueMs(2), dueMs(1)])
      const held = await by.claimOne()
      assert.equal(await fire(), 'skipped')
      await by.settle(retryIn(held, 1_000))
      assert.equal(await fire(), 'skipped')
      await clock.advance(1_000)
      const again = await by.claimOne()
      await clock.advance(LEASE_MS)
      assert.equal(await fire(), 'skipped')
      await by.settle(succeed(again))
      assert.equal(await fire(), 'fired')
      assert.deepEqual(await statesOf(broker, 6), ['succeeded', null, null, null, null, 'queued'])
    },
  },
  ...Object.entries(ENDS).map(
    ([end, finish]): Case => ({
      name: `skip: a job that ${end} keeps back no later one`,
      async run(ctx) {
        const { fire } = await overlapping(ctx, 'skip')
        const by = lane(ctx.broker)
        await fire()
        await finish(ctx, by, await by.claimOne())
        assert.deepEqual([await fire(), await fire()], ['fired', 'skipped'])
      },
    }),
  ),
  {
    name: 'bufferOne: one job is blocked and nobody gets it, further ticks make none',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferOne')
      const by = lane(broker)
      assert.deepEqual([await fire(), await fire(), await fire()], ['fired', 'fired', 'skipped'])
      assert.deepEqual(await statesOf(broker, 3), ['queued', 'blocked', null])
      const record = await read(broker, 'digest.1')
      assert.deepEqual([record.atMs, record.epoch, record.input], [null, 0, '{"of":"digest.1"}'])
      const held = await by.claimOne()
      assert.deepEqual(await by.claim(10), [])
      const { jobs, nextAtMs } = await by.exchange({ settle: [succeed(held)], want: 10 })
      assert.deepEqual(idsOf(jobs), ['digest.1'])
      assert.notEqual(nextAtMs, null)
      assert.deepEqual([await fire(), await fire()], ['fired', 'skipped'])
    },
  },
  {
    name: 'a job that is blocked is nothing to wake for',
    async run(ctx) {
      const { broker, clock } = ctx
      const { fire } = await overlapping(ctx, 'bufferOne')
      const by = lane(broker)
      await fire()
      await fire()
      await broker.setPaused('default', true, 0)
      await broker.setPaused('default', false, 1)
      const held = await by.claimOne()
      assert.equal((await by.exchange()).nextAtMs, clock.now() + LEASE_MS)
      assert.equal((await by.again()).nextAtMs, clock.now() + LEASE_MS)
      const peeked = broker.peek ? (await broker.peek({ queues: ['default'] })).nextAtMs : clock.now() + LEASE_MS
      assert.equal(peeked, clock.now() + LEASE_MS)
      await by.settle(retryIn(held, 5_000))
      assert.equal((await by.exchange()).nextAtMs, clock.now() + 5_000)
      await broker.cancel(['digest.1'])
      await broker.remove(['digest.0'])
      await clock.advance(5_000)
      await by.claim(10)
      const { nextAtMs = null } = (await broker.peek?.({ queues: ['default'] })) ?? {}
      assert.deepEqual([nextAtMs, (await by.exchange()).nextAtMs], [null, null])
    },
  },
  {
    name: 'a job that is blocked behind one of another queue is nothing to wake for either',
    async run({ broker, clock }) {
      const startMs = clock.now()
      await broker.setSchedules([set('digest', { dueAtMs: startMs })])
      await broker.fire([overlapTick(startMs, 0, 'bufferOne', { job: { queue: 'before' } })])
      await broker.fire([overlapTick(startMs, 1, 'bufferOne')])
      const by = lane(broker)
      const { nextAtMs } = await by.exchange({ want: 1, waitMs: 60_000 })
      const replayed = await by.again()
      const peeked = (await broker.peek?.({ queues: ['default'] }))?.nextAtMs ?? null
      assert.deepEqual([nextAtMs, replayed.nextAtMs, peeked], [null, null, null])
      const before = lane(broker, 'other.1.0')
      await before.settle(succeed(await before.claimOne({ queues: ['before'] })))
      assert.equal((await by.claimOne()).id, 'digest.1')
    },
  },
  {
    name: 'bufferAll: all jobs wait, and are freed one after the other in due order',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferAll')
      const by = lane(broker)
      for (let n = 0; n < 5; n++) assert.equal(await fire(), 'fired')
      assert.deepEqual(await statesOf(broker, 5), ['queued', 'blocked', 'blocked', 'blocked', 'blocked'])
      const order: string[] = []
      for (let held = await by.claim(10); held.length > 0; ) {
        order.push(...idsOf(held))
        assert.equal(held.length, 1)
        held = await by.claim(10, { settle: held.map((one) => succeed(one)) })
      }
      assert.deepEqual(order, ['digest.0', 'digest.1', 'digest.2', 'digest.3', 'digest.4'])
      assert.equal(await fire(), 'fired')
      assert.equal(await stateOf(broker, 'digest.5'), 'queued')
    },
  },
  ...Object.entries(ENDS).map(
    ([end, finish]): Case => ({
      name: `a job that ${end} frees the one that waits for it, in the same step`,
      async run(ctx) {
        const { fire } = await overlapping(ctx, 'bufferAll')
        const by = lane(ctx.broker)
        for (let n = 0; n < 3; n++) await fire()
        const held = await by.claimOne()
        assert.deepEqual((await statesOf(ctx.broker, 3)).slice(1), ['blocked', 'blocked'])
        await finish(ctx, by, held)
        assert.deepEqual((await statesOf(ctx.broker, 3)).slice(1), ['queued', 'blocked'])
        assert.equal((await by.claimOne()).id, 'digest.1')
      },
    }),
  ),
  {
    name: 'a job that is cancelled or removed before it was claimed frees the one that waits for it',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferAll')
      for (let n = 0; n < 3; n++) await fire()
      await broker.cancel(['digest.0'])
      assert.deepEqual(await statesOf(broker, 3), ['cancelled', 'queued', 'blocked'])
      await broker.remove(['digest.1'])
      assert.deepEqual(await statesOf(broker, 3), ['cancelled', null, 'queued'])
      assert.deepEqual(idsOf(await lane(broker).claim(10)), ['digest.2'])
    },
  },
  {
    name: 'a job that is dropped for a newer one frees the one that waits for it',
    bounds: { maxReady: 1, whenFull: 'drop-oldest' },
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferAll')
      await fire()
      await fire()
      await broker.enqueue([job('newer')])
      assert.deepEqual(await statesOf(broker, 2), ['cancelled', 'queued'])
    },
  },
  {
    name: 'a job that is freed keeps its queue and its priority, however large it is',
    async run(ctx) {
      const { broker } = ctx
      const input = JSON.stringify('x'.repeat(20_000))
      const { fire } = await overlapping(ctx, 'bufferAll', { queue: 'reports', priority: 7, input })
      const by = lane(broker)
      for (let n = 0; n < 3; n++) await fire()
      await broker.enqueue([job('normal', { queue: 'reports' }), job('higher', { queue: 'reports', priority: 9 })])
      const asked = { queues: ['reports'] }
      const [higher, first] = await by.claim(2, asked)
      assert.deepEqual([higher?.id, first?.id], ['higher', 'digest.0'])
      const next = await by.claimOne({ ...asked, settle: [succeed(first as ClaimedJob)] })
      assert.deepEqual([next.id, next.input], ['digest.1', input])
      await broker.cancel(['digest.2'])
      await by.settle(succeed(next))
      assert.deepEqual(idsOf(await by.claim(10, asked)), ['normal'])
    },
  },
  {
    name: 'a lane that waits is hinted by a job that is freed',
    needs: 'wake',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferOne')
      const [by, waiting] = [lane(broker, 'busy.1.0'), lane(broker, 'waiting.1.0')]
      const named = Promise.withResolvers<void>()
      const end = await broker.wake?.listen(waiting.id, () => named.resolve())
      await fire()
      await fire()
      const held = await by.claimOne()
      await waiting.wait()
      await by.settle(succeed(held))
      await named.promise
      assert.equal((await waiting.claimOne()).id, 'digest.1')
      end?.()
    },
  },
  {
    name: 'cancelPrevious: a job that waits is cancelled at once, and the new one is made',
    async run(ctx) {
      const { fire } = await overlapping(ctx, 'cancelPrevious')
      assert.deepEqual([await fire(), await fire()], ['fired', 'fired'])
      assert.deepEqual(await statesOf(ctx.broker, 2), ['cancelled', 'queued'])
      assert.deepEqual(idsOf(await lane(ctx.broker).claim(10)), ['digest.1'])
    },
  },
  {
    name: 'cancelPrevious: a job that is active is asked to end, and the new one does not wait for it',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'cancelPrevious')
      const by = lane(broker)
      await fire()
      const held = await by.claimOne()
      await fire()
      assert.equal((await by.claimOne()).id, 'digest.1')
      assert.deepEqual((await by.extend(held)).cancelled, ['digest.0'])
      await by.settle(retryIn(held, 1_000))
      assert.deepEqual(await statesOf(broker, 2), ['cancelled', 'active'])
    },
  },
  {
    name: 'several ticks in one call obey the rule among themselves',
    async run(ctx) {
      const skip = await overlapping(ctx, 'skip')
      assert.deepEqual(await skip.fireTogether(3), ['fired', 'skipped', 'skipped'])
    },
  },
  {
    name: 'several ticks in one call: one waits, all wait, or the last one is left',
    async run(ctx) {
      const { broker, clock } = ctx
      const startMs = clock.now()
      const three = (schedule: string, overlap: Overlap) =>
        [0, 1, 2].map((n) => overlapTick(startMs, n, overlap, { schedule }))
      await broker.setSchedules(['one', 'all', 'last'].map((name) => set(name, { dueAtMs: startMs })))
      const call = [...three('one', 'bufferOne'), ...three('all', 'bufferAll'), ...three('last', 'cancelPrevious')]
      const fired = 'fired'
      assert.deepEqual(await broker.fire(call), [fired, fired, 'skipped', ...Array(6).fill(fired)])
      const states = async (name: string) =>
        (await broker.get([0, 1, 2].map((n) => `${name}.${n}`))).map((record) => record?.state ?? null)
      assert.deepEqual(await states('one'), ['queued', 'blocked', null])
      assert.deepEqual(await states('all'), ['queued', 'blocked', 'blocked'])
      assert.deepEqual(await states('last'), ['cancelled', 'cancelled', 'queued'])
    },
  },
  {
    name: 'a tick that is fired again, at once or late, changes nothing, whatever its rule has made of it',
    async run(ctx) {
      const { broker } = ctx
      for (const overlap of ['skip', 'bufferOne', 'bufferAll', 'cancelPrevious'] as const) {
        const startMs = ctx.clock.now()
        await broker.setSchedules([set(overlap, { dueAtMs: startMs })])
        const ticks = [0, 1, 2].map((n) => overlapTick(startMs, n, overlap, { schedule: overlap }))
        const states = async () =>
          (await broker.get(ticks.map((tick) => tick.job?.id ?? ''))).map((record) => record?.state ?? null)
        for (const tick of ticks) {
          await broker.fire([tick])
          const before = await states()
          assert.deepEqual(await broker.fire([tick]), ['existing'])
          assert.deepEqual(await states(), before)
        }
        const before = await states()
        assert.deepEqual(await broker.fire(ticks), Array(3).fill('existing'))
        assert.deepEqual(await states(), before)
      }
    },
  },
  {
    name: 'a job that is blocked is listed, counted, cancelled and removed like one that is due later',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferOne')
      await fire()
      await fire()
      assert.deepEqual(idsOf((await broker.list({ states: ['blocked'] })).jobs), ['digest.1'])
      assert.deepEqual((await broker.stats()).queues[0]?.counts, { queued: 1, scheduled: 1 })
      assert.deepEqual(await broker.cancel(['digest.1']), ['cancelled'])
      assert.deepEqual((await broker.stats()).queues[0]?.counts.scheduled ?? 0, 0)
      assert.equal(await fire(), 'fired')
      assert.deepEqual(await statesOf(broker, 3), ['queued', 'cancelled', 'blocked'])
      assert.deepEqual(await broker.remove(['digest.2']), ['removed'])
      assert.equal(await fire(), 'fired')
      assert.deepEqual(await statesOf(broker, 4), ['queued', 'cancelled', null, 'blocked'])
      const by = lane(broker)
      await by.settle(succeed(await by.claimOne()))
      assert.deepEqual(idsOf(await by.claim(10)), ['digest.3'])
    },
  },
  {
    name: 'a job that was replayed runs at once, and does not count',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferAll')
      const by = lane(broker)
      await fire()
      await by.settle(fail(await by.claimOne()))
      const { epoch } = await read(broker, 'digest.0')
      assert.deepEqual(await broker.retry([{ id: 'digest.0', epoch }]), ['queued'])
      assert.equal(await fire(), 'fired')
      assert.deepEqual(await statesOf(broker, 2), ['queued', 'queued'])
      await fire()
      await broker.cancel(['digest.2'])
      const blocked = await read(broker, 'digest.2')
      assert.deepEqual(await broker.retry([blocked]), ['queued'])
      assert.deepEqual(idsOf(await by.claim(10)).sort(), ['digest.0', 'digest.1', 'digest.2'])
    },
  },
  {
    name: 'the jobs of a schedule that is changed or removed are freed in turn all the same',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'bufferAll')
      const by = lane(broker)
      for (let n = 0; n < 3; n++) await fire()
      const held = await by.claimOne()
      await broker.setSchedules([set('digest', { definition: '{"a":2}', stampMs: 2 })])
      const next = await by.claimOne({ settle: [succeed(held)] })
      await broker.setSchedules([remove('digest', 3)])
      assert.equal((await by.claimOne({ settle: [succeed(next)] })).id, 'digest.2')
    },
  },
  {
    name: 'a schedule whose rule has changed looks at the jobs that were made under the one before',
    async run(ctx) {
      const { broker } = ctx
      const { fire } = await overlapping(ctx, 'skip')
      const by = lane(broker)
      await fire('cancelPrevious')
      const asked = await by.claimOne()
      assert.deepEqual([await fire('cancelPrevious'), await fire('skip')], ['fired', 'skipped'])
      const second = await by.claimOne()
      assert.deepEqual([await fire('bufferOne'), await fire('bufferAll')], ['fired', 'fired'])
      await by.settle(cancelled(asked))
      assert.deepEqual((await statesOf(broker, 5)).slice(3), ['blocked', 'blocked'])
      await by.settle(succeed(second))
      assert.deepEqual((await statesOf(broker, 5)).slice(3), ['queued', 'blocked'])
      assert.equal(await fire('cancelPrevious'), 'fired')
      assert.deepEqual((await statesOf(broker, 6)).slice(3), ['cancelled', 'cancelled', 'queued'])
    },
  },
  {
    name: 'a job that was asked to end and has not is waited for, once the rule is another',
    async run(ctx) {
      const { fire } = await overlapping(ctx, 'cancelPrevious')
      const by = lane(ctx.broker)
      await fire()
      const asked = await by.claimOne()
      await fire()
      const second = await by.claimOne()
      assert.equal(await fire('bufferOne'), 'fired')
      await by.settle(succeed(second))
      assert.deepEqual(await statesOf(ctx.broker, 3), ['active', 'succeeded', 'blocked'])
      await by.settle(cancelled(asked))
      assert.deepEqual(await statesOf(ctx.broker, 3), ['cancelled', 'succeeded', 'queued'])
    },
  },
  {
    name: 'no more jobs of a schedule wait than may: it stays due until one is freed',
    async run(ctx) {
      const { broker } = ctx
      const { fire, fireTogether, dueMs, again } = await overlapping(ctx, 'bufferAll')
      const by = lane(broker)
      await fire()
      for (let fired = 0; fired < MAX_BLOCKED; fired += 500)
        assert.deepEqual(await fireTogether(500), Array(500).fill('fired'))
      assert.equal(await fire(), 'full')
      assert.equal((await stored(broker)).dueAtMs, dueMs(MAX_BLOCKED + 1))
      assert.equal(await stateOf(broker, `digest.${MAX_BLOCKED + 1}`), null)
      await by.settle(succeed(await by.claimOne()))
      assert.equal(await again(MAX_BLOCKED + 1), 'fired')
    },
  },
  {
    name: 'jobs that wait take the room of those that are due later',
    bounds: { maxTimed: 2 },
    async run(ctx) {
      const { broker } = ctx
      const { fire, dueMs, again } = await overlapping(ctx, 'bufferAll')
      await broker.enqueue([job('later', { delayMs: 60_000 })])
      assert.deepEqual([await fire(), await fire(), await fire()], ['fired', 'fired', 'full'])
      assert.equal((await stored(broker)).dueAtMs, dueMs(2))
      assert.deepEqual(await statesOf(broker, 3), ['queued', 'blocked', null])
      await broker.cancel(['digest.0'])
      assert.equal(await again(2), 'fired')
      assert.deepEqual(await statesOf(broker, 3), ['cancelled', 'queued', 'blocked'])
    },
  },
]
