/** Changes of schedules that are based on what their caller saw. */
import assert from 'node:assert/strict'
import type { ScheduleChange, SchedulePage } from '../../../src/broker.ts'
import type { Case } from '../subject.ts'
import { HOUR_MS } from '../verbs.ts'
import { remove, set, stored } from './schedules.ts'

type Set = ScheduleChange & { kind: 'set' }

/** As one made at run time: without a stamp. */
const seenAt = (revision: number, given: Partial<Set> = {}): ScheduleChange =>
  set('digest', { definition: '{"run":"time"}', stampMs: 0, incarnation: 'i2', ...given, revision })
const goneFrom = (revision: number): ScheduleChange => ({ ...remove('digest', 0), revision })

const namesOf = ({ schedules }: SchedulePage) => schedules.map(({ name }) => name)

export const changeCases: readonly Case[] = [
  {
    name: 'what was removed refuses late copies for a day, and then takes no room: the next removal forgets it',
    async run({ broker, clock }) {
      const names = ['digest', 'back', 'gone']
      await broker.setDeployed('app', { stampMs: 5, digest: 'd' }, null)
      await broker.setSchedules(names.map((name) => set(name, { stampMs: 5 })))
      await broker.setSchedules([remove('digest', 6), remove('back', 6)])
      await broker.setSchedules([set('back', { stampMs: 7 })])
      await clock.advance(23 * HOUR_MS)
      await broker.setSchedules([remove('gone', 7)])
      assert.deepEqual(await broker.setSchedules([set('digest', { stampMs: 5 })]), ['moved'])
      await clock.advance(2 * HOUR_MS)
      await broker.setSchedules([set('other', { stampMs: 7 }), remove('other', 7)])
      assert.deepEqual(await broker.setSchedules([set('digest', { stampMs: 5 })]), ['set'])
      assert.equal((await stored(broker)).revision, 1)
      assert.equal((await stored(broker, 'back')).revision, 3)
      assert.deepEqual(await broker.setSchedules([set('gone', { stampMs: 5 })]), ['moved'])
      assert.deepEqual(await broker.deployed('app'), { stampMs: 5, digest: 'd' })
      assert.deepEqual(namesOf(await broker.schedules({ limit: 10 })), ['back', 'digest'])
    },
  },
  {
    name: 'a name that another app has given up is free, whatever that app’s stamp was, which is not the new one’s',
    async run({ broker }) {
      for (const given of [seenAt(0, { app: 'shop' }), set('digest', { app: 'shop', incarnation: 'i3', stampMs: 7 })]) {
        await broker.setSchedules([set('digest', { stampMs: 90 }), remove('digest', 90)])
        assert.deepEqual(await broker.setSchedules([given]), ['set'])
        const { app, stampMs } = await stored(broker)
        assert.deepEqual([app, stampMs], ['shop', given.stampMs])
        await broker.setSchedules([remove('digest', 90, 'shop')])
      }
    },
  },
  {
    name: 'a change that is based on the stored revision is made, leaves the stamp, and sent again it is made already',
    async run({ broker }) {
      await broker.setSchedules([set('digest', { stampMs: 7 })])
      assert.deepEqual(await broker.setSchedules([seenAt(1)]), ['set'])
      assert.deepEqual(await broker.setSchedules([seenAt(1)]), ['existing'])
      const { revision, definition, stampMs, incarnation } = await stored(broker)
      assert.deepEqual([revision, definition, stampMs, incarnation], [2, '{"run":"time"}', 7, 'i1'])
    },
  },
  {
    name: 'a change or a removal that is based on another revision than the stored one does nothing',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      await broker.setSchedules([seenAt(1)])
      const before = await stored(broker)
      const late = [0, 1, 3].flatMap((seen) => [seenAt(seen, { definition: '{"late":1}' }), goneFrom(seen)])
      assert.deepEqual(
        await broker.setSchedules(late),
        late.map(() => 'moved'),
      )
      assert.deepEqual(await stored(broker), before)
    },
  },
  {
    name: 'a schedule made at run time is one that was not there, and has no stamp',
    async run({ broker }) {
      assert.deepEqual(await broker.setSchedules([seenAt(1)]), ['moved'])
      assert.deepEqual(await broker.setSchedules([seenAt(0)]), ['set'])
      const { revision, stampMs, incarnation } = await stored(broker)
      assert.deepEqual([revision, stampMs, incarnation], [1, 0, 'i2'])
      assert.deepEqual(await broker.setSchedules([seenAt(0)]), ['existing'])
      assert.deepEqual(await broker.setSchedules([seenAt(0, { definition: '{"b":1}', incarnation: 'i3' })]), ['moved'])
    },
  },
  {
    name: 'removed at run time it may be made anew, keeps its stamp, and no late copy of before brings it back or takes it away',
    async run({ broker }) {
      await broker.setSchedules([set('digest', { stampMs: 7 })])
      assert.deepEqual(await broker.setSchedules([goneFrom(1)]), ['set'])
      assert.deepEqual(await broker.setSchedules([goneFrom(1)]), ['existing'])
      assert.deepEqual(await broker.setSchedules([seenAt(0, { incarnation: 'i1' })]), ['moved'])
      assert.deepEqual(await broker.setSchedules([seenAt(0)]), ['set'])
      assert.deepEqual(await broker.setSchedules([goneFrom(1), seenAt(1, { definition: '{"b":1}' })]), [
        'moved',
        'moved',
      ])
      const { revision, stampMs, incarnation } = await stored(broker)
      assert.deepEqual([revision, stampMs, incarnation], [3, 7, 'i2'])
    },
  },
  {
    name: 'a change at run time is made whatever was deployed of its app, one with an older stamp is not',
    async run({ broker }) {
      await broker.setDeployed('app', { stampMs: 9, digest: 'x' }, null)
      assert.deepEqual(await broker.setSchedules([seenAt(0), seenAt(1, { definition: '{"b":1}' })]), ['set', 'set'])
      const older = seenAt(2, { stampMs: 8, definition: '{"c":1}' })
      assert.deepEqual(await broker.setSchedules([older, { ...goneFrom(2), stampMs: 8 }]), ['moved', 'moved'])
      assert.deepEqual(await broker.setSchedules([goneFrom(2)]), ['set'])
    },
  },
  {
    name: 'a change that has a stamp as well is fenced by both',
    async run({ broker }) {
      await broker.setSchedules([set('digest', { stampMs: 7 })])
      const older = seenAt(1, { stampMs: 6 })
      assert.deepEqual(await broker.setSchedules([older, { ...goneFrom(1), stampMs: 6 }]), ['moved', 'moved'])
      assert.deepEqual(await broker.setSchedules([seenAt(1, { stampMs: 8 })]), ['set'])
      assert.equal((await stored(broker)).stampMs, 8)
      assert.deepEqual(await broker.setSchedules([seenAt(1, { stampMs: 9, definition: '{"b":1}' })]), ['moved'])
      assert.equal((await stored(broker)).stampMs, 8)
    },
  },
  {
    name: 'of two changes that are based on the same revision one is made, whichever way they come',
    async run({ broker }) {
      await broker.setSchedules([set('digest')])
      const outcomes = await Promise.all(
        ['{"b":1}', '{"c":1}'].map((definition) => broker.setSchedules([seenAt(1, { definition })])),
      )
      assert.deepEqual(outcomes.flat().sort(), ['moved', 'set'])
      assert.deepEqual(await broker.setSchedules([seenAt(2), seenAt(2, { definition: '{"d":1}' })]), ['set', 'moved'])
    },
  },
]
