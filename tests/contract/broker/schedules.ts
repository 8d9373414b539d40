import assert from 'node:assert/strict'
import type { Broker, ScheduleChange, Tick } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import { idsOf, job, lane, stateOf } from '../verbs.ts'

const DUE_MS = 1_000_000

export function set(name: string, given: Partial<ScheduleChange & { kind: 'set' }> = {}): ScheduleChange {
  return {
    kind: 'set',
    name,
    app: 'app',
    definition: '{"a":1}',
    dueAtMs: DUE_MS,
    incarnation: 'i1',
    stampMs: 1,
    ...given,
  }
}
export const remove = (name: string, stampMs = 1, app = 'app'): ScheduleChange => ({
  kind: 'remove',
  name,
  app,
  stampMs,
})

function tick(given: Partial<Tick> = {}): Tick {
  const dueAtMs = given.dueAtMs ?? DUE_MS
  return {
    schedule: 'digest',
    revision: 1,
    dueAtMs,
    nextDueAtMs: dueAtMs + 60_000,
    job: job(`digest.i1.${dueAtMs}`),
    ...given,
  }
}

export async function stored(broker: Broker, name = 'digest') {
  const { schedules } = await broker.schedules()
  const found = schedules.find((schedule) => schedule.name === name)
  assert.ok(found, `expected schedule "${name}" to be stored`)
  return found
}

export const scheduleCases: readonly Case[] = [
  {
    name: 'a schedule is stored as it was set, with its first revision',
    async run({ broker }) {
      assert.deepEqual(await broker.setSchedules([set('digest')]), ['set'])
      assert.deepEqual(await stored(broker), {
        name: 'digest',
        app: 'app',
        definition: '{"a":1}',
        revision: 1,
        incarnation: 'i1',
        dueAtMs: DUE_MS,
        lastDueAtMs: null,
        stampMs: 1,
      })
    },
  },
  {
    name: 'the same definition set again keeps revision, due time and incarnation',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      assert.deepEqual(await broker.setSchedules([set('digest', { dueAtMs: 7, incarnation: 'i2', stampMs: 2 })]), [
        'existing',
      ])
      const { revision, dueAtMs, incarnation, stampMs } = await stored(broker)
      assert.deepEqual([revision, dueAtMs, incarnation, stampMs], [1, DUE_MS, 'i1', 2])
    },
  },
  {
    name: 'another definition moves the revision and the due time, and keeps the incarnation',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      const change = set('digest', { definition: '{"a":2}', dueAtMs: DUE_MS + 5, incarnation: 'i2', stampMs: 2 })
      assert.deepEqual(await broker.setSchedules([change]), ['set'])
      const { revision, dueAtMs, incarnation, definition } = await stored(broker)
      assert.deepEqual([revision, dueAtMs, incarnation, definition], [2, DUE_MS + 5, 'i1', '{"a":2}'])
    },
  },
  {
    name: 'an older version of the app neither changes nor removes a newer one’s schedule',
    async run({ broker }) {
      await broker.setSchedules([set('digest', { stampMs: 5 })])
      const old = set('digest', { definition: '{"old":1}', stampMs: 4 })
      assert.deepEqual(await broker.setSchedules([old, remove('digest', 4)]), ['moved', 'moved'])
      assert.equal((await stored(broker)).definition, '{"a":1}')
    },
  },
  {
    name: 'a schedule is removed once, and a late copy of its set does not bring it back',
    async run({ broker }) {
      await broker.setSchedules([set('digest', { stampMs: 1 })])
      assert.deepEqual(await broker.setSchedules([remove('digest', 2)]), ['set'])
      assert.deepEqual(await broker.setSchedules([remove('digest', 2)]), ['existing'])
      assert.deepEqual(await broker.setSchedules([set('digest', { stampMs: 1 })]), ['moved'])
      const { schedules, nextDueAtMs } = await broker.schedules()
      assert.deepEqual([schedules, nextDueAtMs], [[], null])
    },
  },
  {
    name: 'a schedule that is set anew after its removal starts over, under its new incarnation',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.fire([tick()])
      await broker.setSchedules([remove('digest', 2)])
      assert.deepEqual(await broker.setSchedules([set('digest', { incarnation: 'i2', stampMs: 3 })]), ['set'])
      const { incarnation, dueAtMs, lastDueAtMs, revision } = await stored(broker)
      assert.deepEqual([incarnation, dueAtMs, lastDueAtMs], ['i2', DUE_MS, null])
      const again = tick({ revision, job: job(`digest.i2.${DUE_MS}`) })
      assert.deepEqual(await broker.fire([again]), ['fired'])
    },
  },
  {
    name: 'a removal concerns the schedules of its own app only',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.setSchedules([remove('digest', 9, 'another app')])
      assert.equal((await stored(broker)).app, 'app')
    },
  },
  {
    name: 'schedules are read by app and by what is due, with the next due time of the others',
    async run({ broker, clock }) {
      const nowMs = clock.now()
      await broker.setSchedules([
        set('due', { dueAtMs: nowMs }),
        set('later', { dueAtMs: nowMs + 5_000 }),
        set('ended', { dueAtMs: null }),
        set('other', { dueAtMs: nowMs - 1, app: 'another app' }),
      ])
      const names = async (query: Parameters<Broker['schedules']>[0]) =>
        (await broker.schedules(query)).schedules.map(({ name }) => name).sort()
      assert.deepEqual(await names({}), ['due', 'ended', 'later', 'other'])
      assert.deepEqual(await names({ app: 'app' }), ['due', 'ended', 'later'])
      assert.deepEqual(await names({ app: 'app', due: true }), ['due'])
      assert.deepEqual(await names({ due: true }), ['due', 'other'])
      assert.equal((await broker.schedules({ due: true })).nextDueAtMs, nowMs + 5_000)
      await clock.advance(5_000)
      assert.deepEqual(await names({ app: 'app', due: true }), ['due', 'later'])
    },
  },
  {
    name: 'a tick is fired once: its job is enqueued and the schedule moves on',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      assert.deepEqual(await broker.fire([tick()]), ['fired'])
      const { dueAtMs, lastDueAtMs } = await stored(broker)
      assert.deepEqual([dueAtMs, lastDueAtMs], [DUE_MS + 60_000, DUE_MS])
      assert.deepEqual(idsOf(await lane(broker).claim(10)), [`digest.i1.${DUE_MS}`])
    },
  },
  {
    name: 'a tick that is fired again, at once or late, reads as existing and enqueues nothing',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.fire([tick()])
      assert.deepEqual(await broker.fire([tick()]), ['existing'])
      await broker.fire([tick({ dueAtMs: DUE_MS + 60_000 })])
      assert.deepEqual(await broker.fire([tick()]), ['existing'])
      assert.equal((await lane(broker).claim(10)).length, 2)
    },
  },
  {
    name: 'a tick that two beats fire is fired by one of them',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      const outcomes = await Promise.all([broker.fire([tick()]), broker.fire([tick()])])
      assert.deepEqual(outcomes.flat().sort(), ['existing', 'fired'])
    },
  },
  {
    name: 'a tick computed from an older revision is not fired',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.setSchedules([set('digest', { definition: '{"a":2}', stampMs: 2 })])
      assert.deepEqual(await broker.fire([tick({ revision: 1 })]), ['moved'])
      assert.equal(await stateOf(broker, `digest.i1.${DUE_MS}`), null)
      assert.deepEqual(await broker.fire([tick({ revision: 2 })]), ['fired'])
    },
  },
  {
    name: 'a tick of a schedule that is gone, or of another due time, is not fired',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      assert.deepEqual(await broker.fire([tick({ schedule: 'nobody' }), tick({ dueAtMs: DUE_MS + 1 })]), [
        'moved',
        'moved',
      ])
      assert.deepEqual(await lane(broker).claim(10), [])
    },
  },
  {
    name: 'a due time never goes back to or before the last one fired',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.fire([tick()])
      for (const [at, dueAtMs] of [DUE_MS, DUE_MS - 1].entries()) {
        await broker.setSchedules([set('digest', { definition: `{"edit":${at}}`, dueAtMs, stampMs: 2 + at })])
        assert.equal((await stored(broker)).dueAtMs, DUE_MS + 60_000)
      }
      await broker.setSchedules([set('digest', { definition: '{"b":1}', dueAtMs: DUE_MS + 1, stampMs: 9 })])
      assert.equal((await stored(broker)).dueAtMs, DUE_MS + 1)
    },
  },
  {
    name: 'a tick without a job passes its due time over, once, and the one after it is fired in the same call',
    async run({ broker }) {
      await broker.setSchedules([set('digest'), set('other')])
      const passed = tick({ job: null, nextDueAtMs: DUE_MS + 600_000 })
      const call = [
        passed,
        tick({ schedule: 'other', job: job('other.1') }),
        tick({ dueAtMs: DUE_MS + 600_000 }),
        tick({ schedule: 'other', dueAtMs: DUE_MS + 60_000, job: null, nextDueAtMs: null }),
      ]
      assert.deepEqual(await broker.fire(call), ['fired', 'fired', 'fired', 'fired'])
      assert.deepEqual(await broker.fire(call), ['existing', 'existing', 'existing', 'existing'])
      const { dueAtMs, lastDueAtMs } = await stored(broker)
      assert.deepEqual([dueAtMs, lastDueAtMs], [DUE_MS + 660_000, DUE_MS + 600_000])
      const other = await stored(broker, 'other')
      assert.deepEqual([other.dueAtMs, other.lastDueAtMs], [null, DUE_MS + 60_000])
      assert.deepEqual(idsOf(await lane(broker).claim(10)).sort(), [`digest.i1.${DUE_MS + 600_000}`, 'other.1'])
    },
  },
  {
    name: 'a schedule that has passed a due time over does not go back to it, and another revision is not passed over',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      const passed = tick({ job: null, nextDueAtMs: DUE_MS + 600_000 })
      assert.deepEqual(await broker.fire([{ ...passed, revision: 2 }]), ['moved'])
      assert.deepEqual(await broker.fire([passed]), ['fired'])
      await broker.setSchedules([set('digest', { definition: '{"edit":1}', dueAtMs: DUE_MS, stampMs: 2 })])
      assert.equal((await stored(broker)).dueAtMs, DUE_MS + 600_000)
      assert.deepEqual(await lane(broker).claim(10), [])
    },
  },
  {
    name: 'where the queue is full, a tick without a job is fired all the same',
    bounds: { maxReady: 1, maxTimed: 1 },
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      const later = [1, 2].map((at) => tick({ dueAtMs: DUE_MS + at * 60_000 }))
      assert.deepEqual(await broker.fire([tick({ job: null }), ...later]), ['fired', 'fired', 'full'])
      const { dueAtMs, lastDueAtMs } = await stored(broker)
      assert.deepEqual([dueAtMs, lastDueAtMs], [DUE_MS + 120_000, DUE_MS + 60_000])
    },
  },
  {
    name: 'a schedule that has come to its end stays, without a due time',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      assert.deepEqual(await broker.fire([tick({ nextDueAtMs: null })]), ['fired'])
      assert.equal((await stored(broker)).dueAtMs, null)
      assert.deepEqual(await broker.fire([tick({ nextDueAtMs: null })]), ['existing'])
    },
  },
]
