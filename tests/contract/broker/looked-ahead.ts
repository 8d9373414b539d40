/** Ticks that are fired before they are due. */
import assert from 'node:assert/strict'
import type { Broker, Tick } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import type { VirtualClock } from '../../support/clock.ts'
import type { Case } from '../subject.ts'
import { idsOf, job, lane } from '../verbs.ts'
import { set, stored } from './schedules.ts'

export const EVERY_MS = 5_000

interface Given {
  readonly schedule?: string
  readonly revision?: number
  readonly incarnation?: string
  readonly job?: Partial<Job>
}

/** The ticks of a schedule at these due times. */
export function ticksAt(dueTimesMs: readonly number[], given: Given = {}): Tick[] {
  const { schedule = 'digest', revision = 1, incarnation = 'i1' } = given
  return dueTimesMs.map((dueAtMs) => ({
    schedule,
    revision,
    dueAtMs,
    nextDueAtMs: dueAtMs + EVERY_MS,
    job: job(`${schedule}.${incarnation}.${dueAtMs}`, { dueAtMs, ...given.job }),
  }))
}

export const idsAt = (dueTimesMs: readonly number[], schedule = 'digest') =>
  dueTimesMs.map((dueAtMs) => `${schedule}.i1.${dueAtMs}`)

/** The first due times after now. */
export const duesFrom = (clock: VirtualClock, count: number) =>
  Array.from({ length: count }, (_, at) => clock.now() + (at + 1) * EVERY_MS)

/** A schedule of which so many ticks were looked ahead. Answers their due times. */
export async function lookedAhead(
  broker: Broker,
  clock: VirtualClock,
  count: number,
  given: Given = {},
): Promise<number[]> {
  const dues = duesFrom(clock, count)
  await broker.setSchedules([set(given.schedule ?? 'digest', { dueAtMs: clock.now() + EVERY_MS })])
  assert.deepEqual(await broker.fire(ticksAt(dues, given)), Array(count).fill('fired'))
  return dues
}

export const statesOf = async (broker: Broker, ids: readonly string[]) =>
  (await broker.get(ids)).map((record) => record?.state ?? null)

export const standsAt = async (broker: Broker, name = 'digest') => {
  const { dueAtMs, lastDueAtMs } = await stored(broker, name)
  return { dueAtMs, lastDueAtMs }
}

export const lookedAheadCases: readonly Case[] = [
  {
    name: 'what falls due within a time is read before it is due',
    async run({ broker, clock }) {
      const nowMs = clock.now()
      await broker.setSchedules([
        set('due', { dueAtMs: nowMs }),
        set('soon', { dueAtMs: nowMs + 60_000 }),
        set('later', { dueAtMs: nowMs + 60_001 }),
        set('other', { dueAtMs: nowMs, app: 'another app' }),
      ])
      for (const app of ['app', undefined]) {
        const { schedules } = await broker.schedules({ due: true, aheadMs: 60_000, ...(app ? { app } : {}) })
        const names = schedules.map(({ name }) => name).filter((name) => name !== 'other')
        assert.deepEqual(names, ['due', 'soon'])
      }
    },
  },
  {
    name: 'ticks that are looked ahead count as fired, and each is claimed at its time, not before',
    async run({ broker, clock }) {
      const [first = 0, second = 0, third = 0] = await lookedAhead(broker, clock, 3)
      assert.deepEqual(await standsAt(broker), { dueAtMs: third + EVERY_MS, lastDueAtMs: third })
      assert.deepEqual(await statesOf(broker, idsAt([first, second, third])), Array(3).fill('scheduled'))
      const by = lane(broker)
      assert.deepEqual(await by.claim(10), [])
      for (const dueAtMs of [first, second, third]) {
        await clock.advance(EVERY_MS - 1)
        assert.deepEqual(await by.claim(10), [])
        await clock.advance(1)
        assert.deepEqual(idsOf(await by.claim(10)), idsAt([dueAtMs]))
      }
    },
  },
  {
    name: 'a tick that is due and the ones after it are fired in one call',
    async run({ broker, clock }) {
      const dues = [clock.now(), ...duesFrom(clock, 3)]
      await broker.setSchedules([set('digest', { dueAtMs: clock.now() })])
      assert.deepEqual(await broker.fire(ticksAt(dues)), Array(4).fill('fired'))
      assert.deepEqual(idsOf(await lane(broker).claim(10)), idsAt(dues.slice(0, 1)))
    },
  },
  {
    name: 'looked ahead again, at once, late or from another window, a due time is one job',
    async run({ broker, clock }) {
      const dues = await lookedAhead(broker, clock, 4)
      assert.deepEqual(await broker.fire(ticksAt(dues)), Array(4).fill('existing'))
      await clock.advance(2 * EVERY_MS)
      const further = [...dues, ...duesFrom(clock, 4).slice(2)]
      assert.deepEqual(await broker.fire(ticksAt(further)), [...Array(4).fill('existing'), 'fired', 'fired'])
      await clock.advance(4 * EVERY_MS)
      assert.deepEqual(idsOf(await lane(broker).claim(10)).sort(), idsAt(further))
    },
  },
  {
    name: 'two that look ahead at once fire each due time once',
    async run({ broker, clock }) {
      await broker.setSchedules([set('digest', { dueAtMs: clock.now() + EVERY_MS })])
      const dues = duesFrom(clock, 6)
      const outcomes = await Promise.all([broker.fire(ticksAt(dues.slice(0, 4))), broker.fire(ticksAt(dues))])
      assert.equal(outcomes.flat().filter((outcome) => outcome === 'fired').length, 6)
      await clock.advance(6 * EVERY_MS)
      assert.deepEqual(idsOf(await lane(broker).claim(10)).sort(), idsAt(dues))
    },
  },
  {
    name: 'as many ticks as a call may carry, of many schedules, are each answered in order',
    async run({ broker, clock }) {
      const names = Array.from({ length: 100 }, (_, at) => `digest-${at}`)
      const dues = duesFrom(clock, 10)
      await broker.setSchedules(names.map((name) => set(name, { dueAtMs: dues[0] ?? 0 })))
      await broker.setSchedules([set('digest-7', { definition: '{"a":2}', dueAtMs: dues[0] ?? 0, stampMs: 2 })])
      const ticks = names.flatMap((schedule) => ticksAt(dues, { schedule }))
      const outcomes = await broker.fire(ticks)
      const moved = ticks.filter((_, at) => outcomes[at] === 'moved')
      assert.deepEqual([...new Set(moved.map(({ schedule }) => schedule))], ['digest-7'])
      assert.equal(outcomes.filter((outcome) => outcome === 'fired').length, 990)
      assert.deepEqual(await broker.fire([]), [])
    },
  },
]
