/** What a change of a schedule takes back of the ticks that were looked ahead. */
import assert from 'node:assert/strict'
import type { Case } from '../subject.ts'
import { HOUR_MS, idsOf, job, jobs, lane, release, stateOf, succeed } from '../verbs.ts'
import { duesFrom, EVERY_MS, idsAt, lookedAhead, standsAt, statesOf, ticksAt } from './looked-ahead.ts'
import { remove, set } from './schedules.ts'

const edit = (dueAtMs: number | null, stampMs = 2) => set('digest', { definition: '{"a":2}', dueAtMs, stampMs })

export const takenBackCases: readonly Case[] = [
  {
    name: 'another definition takes back what is not due yet, and the schedule goes on from there',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 5)
      await clock.advance(2 * EVERY_MS)
      const by = lane(broker)
      const held = await by.claimOne()
      assert.deepEqual(await broker.setSchedules([edit(dues[2] ?? 0)]), ['set'])
      assert.deepEqual(await standsAt(broker), { dueAtMs: dues[2], lastDueAtMs: dues[1] })
      assert.deepEqual(await statesOf(broker, idsAt(dues.slice(2))), [null, null, null])
      // What is due or claimed by then runs.
      assert.deepEqual((await by.settle(succeed(held))).late, [])
      assert.deepEqual(idsOf(await by.claim(10)), idsAt(dues.slice(1, 2)))

      const anew = ticksAt(dues.slice(2), { revision: 2, job: { input: '{"anew":1}' } })
      assert.deepEqual(await broker.fire(anew), Array(3).fill('fired'))
      await clock.advance(5 * EVERY_MS)
      const claimed = await by.claim(10)
      assert.deepEqual(idsOf(claimed), idsAt(dues.slice(2)))
      assert.deepEqual(new Set(claimed.map(({ input }) => input)), new Set(['{"anew":1}']))
    },
  },
  {
    name: 'a change decides where the schedule goes on, but for what stays fired',
    async run({ broker, clock }) {
      for (const [at, { given, expected }] of [
        { given: 2_000, expected: 2_000 },
        { given: 90_000, expected: 90_000 },
        { given: 0, expected: 4_000 },
        { given: -90_000, expected: 4_000 },
        { given: null, expected: null },
      ].entries()) {
        const schedule = `digest-${at}`
        const dues = await lookedAhead(broker, clock, 3, { schedule })
        await clock.advance(EVERY_MS + 1_000)
        const nowMs = clock.now()
        const dueAtMs = given === null ? null : given === 0 ? (dues[0] ?? 0) : nowMs + given
        await broker.setSchedules([set(schedule, { definition: '{"a":2}', dueAtMs, stampMs: 2 })])
        const { dueAtMs: nextMs, lastDueAtMs } = await standsAt(broker, schedule)
        assert.deepEqual([nextMs, lastDueAtMs], [expected === null ? null : nowMs + expected, dues[0]])
      }
    },
  },
  {
    name: 'a schedule whose first ticks are taken back was never fired',
    async run({ broker, clock }) {
      const [first = 0] = await lookedAhead(broker, clock, 3)
      await broker.setSchedules([edit(first)])
      assert.deepEqual(await standsAt(broker), { dueAtMs: first, lastDueAtMs: null })
    },
  },
  {
    name: 'a removal takes back what is not due yet, and nothing that arrives late brings it back',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 4)
      await clock.advance(EVERY_MS)
      assert.deepEqual(await broker.setSchedules([remove('digest', 2)]), ['set'])
      assert.deepEqual(await statesOf(broker, idsAt(dues)), ['scheduled', null, null, null])
      assert.deepEqual((await broker.fire(ticksAt(dues))).slice(1), Array(3).fill('moved'))
      assert.deepEqual(await broker.setSchedules([remove('digest', 2)]), ['existing'])
      await clock.advance(4 * EVERY_MS)
      assert.deepEqual(idsOf(await lane(broker).claim(10)), idsAt(dues.slice(0, 1)))
    },
  },
  {
    name: 'a removal by another app or an older version takes nothing back, nor does the same definition',
    async run({ broker, clock }) {
      await broker.setSchedules([set('digest', { dueAtMs: clock.now() + EVERY_MS, stampMs: 5 })])
      const dues = duesFrom(clock, 3)
      await broker.fire(ticksAt(dues))
      await broker.setSchedules([remove('digest', 9, 'another app'), remove('digest', 4), edit(dues[0] ?? 0, 4)])
      await broker.setSchedules([set('digest', { stampMs: 6 })])
      assert.deepEqual(await statesOf(broker, idsAt(dues)), Array(3).fill('scheduled'))
      assert.equal((await standsAt(broker)).lastDueAtMs, dues[2])
    },
  },
  {
    name: 'a late copy of a call that looked ahead enqueues nothing after a change',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 4)
      await clock.advance(EVERY_MS)
      await broker.setSchedules([edit(dues[1] ?? 0)])
      assert.deepEqual(await broker.fire(ticksAt(dues)), ['existing', 'moved', 'moved', 'moved'])
      await clock.advance(HOUR_MS)
      assert.deepEqual(await broker.fire(ticksAt(dues)), ['existing', 'moved', 'moved', 'moved'])
      assert.deepEqual(idsOf(await lane(broker).claim(10)), idsAt(dues.slice(0, 1)))
    },
  },
  {
    name: 'a late copy of a change takes back nothing of what was looked ahead since',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 4)
      const change = edit(dues[0] ?? 0)
      await broker.setSchedules([change])
      const anew = ticksAt(dues, { revision: 2 })
      assert.deepEqual(await broker.fire(anew), Array(4).fill('fired'))
      assert.deepEqual(await broker.setSchedules([change]), ['existing'])
      assert.deepEqual(await statesOf(broker, idsAt(dues)), Array(4).fill('scheduled'))
    },
  },
  {
    name: 'what two windows have looked ahead is taken back together',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 4)
      await clock.advance(2 * EVERY_MS)
      const further = duesFrom(clock, 6)
      await broker.fire(ticksAt(further.slice(2)))
      await broker.setSchedules([edit(further[0] ?? 0)])
      assert.deepEqual(await statesOf(broker, idsAt(further)), Array(6).fill(null))
      assert.deepEqual(await standsAt(broker), { dueAtMs: dues[2], lastDueAtMs: dues[1] })
    },
  },
  {
    name: 'a change concerns its own schedule’s ticks alone',
    async run({ broker, clock }) {
      const dues = duesFrom(clock, 2)
      await broker.setSchedules([set('digest', { dueAtMs: dues[0] ?? 0 }), set('others', { dueAtMs: dues[0] ?? 0 })])
      const others = { schedule: 'others' }
      await broker.fire([...ticksAt(dues), ...ticksAt(dues, others)])
      await broker.enqueue(jobs(2, 'job', { dueAtMs: dues[0] }))
      await broker.setSchedules([remove('digest', 2)])
      const left = [...idsAt(dues, 'others'), 'job-0000', 'job-0001']
      assert.deepEqual(await statesOf(broker, left), Array(4).fill('scheduled'))
      assert.deepEqual(await statesOf(broker, idsAt(dues)), [null, null])
    },
  },
  {
    name: 'jobs with a priority and large ones are taken back as well',
    async run({ broker, clock }) {
      const given = { job: { priority: 7, input: `"${'x'.repeat(10_000)}"` } }
      const dues = await lookedAhead(broker, clock, 3, given)
      await broker.setSchedules([remove('digest', 2)])
      assert.deepEqual(await statesOf(broker, idsAt(dues)), [null, null, null])
      assert.deepEqual((await broker.stats()).queues[0]?.counts.scheduled ?? 0, 0)
    },
  },
  {
    name: 'jobs of every size are taken back',
    async run({ broker, clock }) {
      for (let bytes = 3_800; bytes < 5_200; bytes += 50) {
        const schedule = `digest-${bytes}`
        const dues = await lookedAhead(broker, clock, 1, { schedule, job: { input: `"${'x'.repeat(bytes)}"` } })
        await broker.setSchedules([remove(schedule, 2)])
        assert.deepEqual(await statesOf(broker, idsAt(dues, schedule)), [null], `an input of ${bytes} bytes`)
      }
    },
  },
  {
    name: 'what was claimed before its time, or given back until later, is not taken back; nor is it fired again',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 4)
      const [early = '', , third = ''] = idsAt(dues)
      const by = lane(broker)
      // As a user would who does not want to wait.
      await broker.cancel([early, third])
      await broker.retry([early, third].map((id) => ({ id, epoch: 0 })))
      const [held, given] = await by.claim(10)
      assert.ok(held && given)
      await by.settle(release(given, 60_000))
      await broker.setSchedules([edit(dues[0] ?? 0)])
      assert.deepEqual(await statesOf(broker, idsAt(dues)), ['active', null, 'scheduled', null])
      assert.deepEqual(await standsAt(broker), { dueAtMs: dues[1], lastDueAtMs: dues[0] })
      await broker.fire(ticksAt(dues.slice(1), { revision: 2 }))
      assert.deepEqual((await by.settle(succeed(held))).late, [])
      await clock.advance(HOUR_MS / 2)
      assert.deepEqual(idsOf(await by.claim(10)).sort(), idsAt(dues.slice(1)))
    },
  },
  {
    name: 'a looked-ahead job that was cancelled stays so over a change',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 3)
      const [, second = ''] = idsAt(dues)
      await broker.cancel([second])
      await broker.setSchedules([edit(dues[0] ?? 0)])
      await broker.fire(ticksAt(dues, { revision: 2 }))
      assert.equal(await stateOf(broker, second), 'cancelled')
      await clock.advance(4 * EVERY_MS)
      assert.deepEqual(idsOf(await lane(broker).claim(10)), idsAt([dues[0] ?? 0, dues[2] ?? 0]))
    },
  },
  {
    name: 'what has run is not fired again by a change after the clock has stepped back',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 4)
      await clock.advance(2 * EVERY_MS)
      const by = lane(broker)
      for (const held of await by.claim(2)) await by.settle(succeed(held))
      clock.stepWall(-2 * EVERY_MS)
      await broker.setSchedules([edit(dues[0] ?? 0)])
      assert.deepEqual(await standsAt(broker), { dueAtMs: dues[2], lastDueAtMs: dues[1] })
    },
  },
  {
    name: 'a tick whose job is there already is fired with the others of its call, and makes no second one',
    async run({ broker, clock }) {
      const dues = duesFrom(clock, 3)
      const ticks = ticksAt(dues)
      await broker.setSchedules([set('digest', { dueAtMs: dues[0] ?? 0 })])
      await broker.enqueue([ticks[1]?.job ?? job('')])
      assert.deepEqual(await broker.fire(ticks), Array(3).fill('fired'))
      await broker.setSchedules([edit(dues[0] ?? 0)])
      assert.deepEqual(await statesOf(broker, idsAt(dues)), [null, null, null])
    },
  },
  {
    name: 'a schedule that comes to its end ahead of time goes on where a change takes that back',
    async run({ broker, clock }) {
      const [first = 0, last = 0] = duesFrom(clock, 2)
      await broker.setSchedules([set('digest', { dueAtMs: first })])
      const ticks = ticksAt([first, last]).map((tick) =>
        tick.dueAtMs === last ? { ...tick, nextDueAtMs: null } : tick,
      )
      assert.deepEqual(await broker.fire(ticks), ['fired', 'fired'])
      assert.deepEqual(await standsAt(broker), { dueAtMs: null, lastDueAtMs: last })
      await broker.setSchedules([edit(first)])
      assert.deepEqual(await standsAt(broker), { dueAtMs: first, lastDueAtMs: null })
    },
  },
  {
    name: 'whoever waits for a looked-ahead job hears that it is gone',
    needs: 'wake',
    async run({ broker, clock }) {
      const [first = 0] = await lookedAhead(broker, clock, 2)
      const hint = Promise.withResolvers<void>()
      await broker.wake?.listen('result.1', () => hint.resolve())
      await broker.get(idsAt([first]), { waiter: 'result.1', waitMs: 60_000 })
      await broker.setSchedules([remove('digest', 2)])
      await hint.promise
    },
  },
]
