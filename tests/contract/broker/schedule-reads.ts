import assert from 'node:assert/strict'
import { type Broker, MAX_BATCH_BYTES, type ScheduleQuery, type StoredSchedule } from '../../../src/broker.ts'
import { isTqError } from '../../../src/errors.ts'
import type { Case } from '../subject.ts'
import { job } from '../verbs.ts'
import { remove, set } from './schedules.ts'

const numbered = (count: number, prefix = 'often') =>
  Array.from({ length: count }, (_, at) => `${prefix}-${String(at).padStart(4, '0')}`)

const namesOf = (schedules: readonly StoredSchedule[]) => schedules.map(({ name }) => name)

/** All pages of a query, each by the names in it. */
async function pagesOf(broker: Broker, query: ScheduleQuery): Promise<string[][]> {
  const pages: string[][] = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await broker.schedules({ ...query, ...(cursor === undefined ? {} : { cursor }) })
    pages.push(namesOf(page.schedules))
    cursor = page.cursor
    assert.ok(pages.length < 1_000, 'expected the pages to come to an end')
  }
  return pages
}

/** Fires a schedule's only tick: it has come to its end. */
async function fireLast(broker: Broker, name: string, dueAtMs: number): Promise<void> {
  const tick = { schedule: name, revision: 1, dueAtMs, nextDueAtMs: null, job: job(`${name}.${dueAtMs}`) }
  assert.deepEqual(await broker.fire([tick]), ['fired'])
}

export const scheduleReadCases: readonly Case[] = [
  {
    name: 'with what is due comes when the next one is due of those that are not',
    async run({ broker, clock }) {
      const nowMs = clock.now()
      const next = async (query: ScheduleQuery) =>
        (await broker.schedules({ due: true, app: 'app', ...query })).nextDueAtMs
      assert.equal(await next({}), null)
      await broker.setSchedules([
        set('due', { dueAtMs: nowMs - 5 }),
        set('other', { app: 'another app', dueAtMs: nowMs + 100 }),
      ])
      assert.equal(await next({}), null)
      await broker.setSchedules([set('later', { dueAtMs: nowMs + 9_000 }), set('soon', { dueAtMs: nowMs + 5_000 })])
      assert.equal(await next({}), nowMs + 5_000)
      assert.equal(await next({ aheadMs: 5_000 }), nowMs + 9_000)
      assert.equal(await next({ aheadMs: 9_000 }), null)
      assert.equal((await broker.schedules({ app: 'app' })).nextDueAtMs, null)
    },
  },
  {
    name: 'schedules are read by their names: those that are there, of the app if one is named',
    async run({ broker }) {
      await broker.setSchedules([set('a'), set('b', { app: 'another app' }), set('c'), set('removed')])
      await broker.setSchedules([remove('removed', 2)])
      const names = async (query: ScheduleQuery) => namesOf((await broker.schedules(query)).schedules).sort()
      assert.deepEqual(await names({ names: ['c', 'nobody', 'removed', 'b'] }), ['b', 'c'])
      assert.deepEqual(await names({ names: ['c', 'b'], app: 'app' }), ['c'])
      assert.deepEqual(await names({ names: [] }), [])
      const all = await broker.schedules()
      assert.deepEqual(
        (await broker.schedules({ names: ['a'] })).schedules,
        all.schedules.filter(({ name }) => name === 'a'),
      )
      assert.equal((await broker.schedules({ names: ['a'] })).cursor, null)
    },
  },
  {
    name: 'a thousand schedules are read by their names in one call, large ones among them',
    async run({ broker }) {
      const names = numbered(1_000)
      await broker.setSchedules(names.map((name) => set(name)))
      const large = `"${'x'.repeat(1_000_000)}"`
      for (const name of names.slice(0, 6)) await broker.setSchedules([set(name, { definition: large, stampMs: 2 })])
      const { schedules } = await broker.schedules({ names })
      assert.deepEqual(namesOf(schedules).sort(), names)
      assert.equal(schedules.filter(({ definition }) => definition === large).length, 6)
    },
  },
  {
    name: 'the time that comes with a read by names is the broker’s',
    async run({ broker, clock }) {
      assert.equal((await broker.schedules({ names: ['a'] })).nowMs, clock.now())
    },
  },
  {
    name: 'all schedules are read a page at a time, in the order of their names',
    async run({ broker }) {
      const names = numbered(25)
      await broker.setSchedules(names.toReversed().map((name, at) => set(name, { dueAtMs: 1_000 + (at % 7) })))
      await broker.setSchedules([set('zz'), set('other', { app: 'another app' }), set('ended', { dueAtMs: null })])
      await broker.setSchedules([remove('zz', 2)])
      const pages = await pagesOf(broker, { limit: 10 })
      assert.deepEqual(pages.flat(), ['ended', ...names, 'other'])
      assert.ok(pages.every((page) => page.length <= 10))
      assert.deepEqual((await pagesOf(broker, { limit: 4, app: 'app' })).flat(), ['ended', ...names])
      assert.deepEqual((await pagesOf(broker, { limit: 1_000 })).flat(), ['ended', ...names, 'other'])
    },
  },
  {
    name: 'a page goes on behind a schedule that was removed, and finds those that were added behind it',
    async run({ broker }) {
      await broker.setSchedules(['a', 'b', 'c', 'd'].map((name) => set(name)))
      const { schedules, cursor } = await broker.schedules({ limit: 2 })
      assert.deepEqual(namesOf(schedules), ['a', 'b'])
      await broker.setSchedules([remove('b', 2), set('bb'), set('aa')])
      const rest = await pagesOf(broker, { limit: 2, cursor: cursor ?? '' })
      assert.deepEqual(rest.flat(), ['bb', 'c', 'd'])
    },
  },
  {
    name: 'a page ends before it is too large, and the next one goes on',
    async run({ broker, clock }) {
      const names = numbered(7)
      const definition = `"${'x'.repeat(MAX_BATCH_BYTES / 4)}"`
      for (const name of names) await broker.setSchedules([set(name, { definition, dueAtMs: clock.now() })])
      for (const query of [{ limit: 1_000 }, { due: true, app: 'app' }]) {
        const pages = await pagesOf(broker, query)
        assert.deepEqual(pages.flat(), names)
        assert.ok(pages.every((page) => page.length <= 4))
      }
    },
  },
  {
    name: 'a page of more than a thousand, or of less than one, is refused, and a cursor of another page',
    async run({ broker }) {
      const refused = (query: ScheduleQuery) =>
        assert.rejects(broker.schedules(query), (error) => isTqError(error, 'InvalidOption'))
      for (const limit of [0, 1_001, 1.5]) await refused({ limit })
      await refused({ names: numbered(1_001) })
      await refused({ due: true, app: 'app', cursor: 'digest' })
    },
  },
  {
    name: 'what is due is read a page at a time, and as long as something is left the next due time is now',
    async run({ broker, clock }) {
      const nowMs = clock.now()
      const names = numbered(25)
      await broker.setSchedules(names.map((name, at) => set(name, { dueAtMs: nowMs - (at % 3) })))
      await broker.setSchedules([set('later', { dueAtMs: nowMs + 5_000 })])
      const query = { due: true, app: 'app', limit: 10 }
      const first = await broker.schedules(query)
      assert.deepEqual([first.schedules.length, first.nextDueAtMs], [10, nowMs])
      const pages = await pagesOf(broker, query)
      assert.deepEqual(
        pages.map(({ length }) => length),
        [10, 10, 5],
      )
      assert.deepEqual(pages.flat().toSorted(), names)
      const due = (await broker.schedules({ due: true, app: 'app' })).schedules.map(({ dueAtMs }) => dueAtMs ?? 0)
      assert.deepEqual(
        due,
        due.toSorted((a, b) => a - b),
      )
    },
  },
  {
    name: 'of what is due at once a page brings a thousand, and those behind them are found however many stay due',
    async run({ broker, clock }) {
      const names = numbered(1_500)
      const changes = [...names, 'zz'].map((name) => set(name, { dueAtMs: clock.now() }))
      for (const from of [0, 1_000]) await broker.setSchedules(changes.slice(from, from + 1_000))
      const pages = await pagesOf(broker, { due: true, app: 'app' })
      assert.deepEqual(
        pages.map(({ length }) => length),
        [1_000, 501],
      )
      assert.deepEqual(pages.flat(), [...names, 'zz'])
    },
  },
  {
    name: 'a page of what is due goes on where it was also when the last one of before was fired, and hides none',
    async run({ broker, clock }) {
      const dueAtMs = clock.now()
      await broker.setSchedules(['a', 'b', 'c', 'd', 'e'].map((name) => set(name, { dueAtMs })))
      const query = { due: true, app: 'app', limit: 3 }
      const { schedules, cursor } = await broker.schedules(query)
      assert.deepEqual(namesOf(schedules), ['a', 'b', 'c'])
      await fireLast(broker, 'c', dueAtMs)
      await fireLast(broker, 'a', dueAtMs)
      const rest = (await pagesOf(broker, { ...query, cursor: cursor ?? '' })).flat()
      // What stays due at that very time may be told again.
      assert.deepEqual(
        rest.filter((name) => name !== 'b'),
        ['d', 'e'],
      )
    },
  },
  {
    name: 'what was deployed of an app is noted, and is no schedule',
    async run({ broker }) {
      assert.equal(await broker.deployed('app'), null)
      await broker.setSchedules([set('digest')])
      assert.equal(await broker.deployed('app'), null)
      assert.equal(await broker.setDeployed('app', { stampMs: 7, digest: 'abc' }, null), 'set')
      assert.deepEqual(await broker.deployed('app'), { stampMs: 7, digest: 'abc' })
      assert.equal(await broker.deployed('another app'), null)
      assert.deepEqual(namesOf((await broker.schedules()).schedules), ['digest'])
      assert.deepEqual(await pagesOf(broker, { limit: 1 }).then((pages) => pages.flat()), ['digest'])
    },
  },
  {
    name: 'what was deployed is noted once, and only by who has seen what was noted before',
    async run({ broker }) {
      const [none, first, second] = [null, { stampMs: 7, digest: '' }, { stampMs: 7, digest: 'abc' }]
      assert.equal(await broker.setDeployed('app', first, none), 'set')
      assert.equal(await broker.setDeployed('app', first, none), 'existing')
      assert.equal(await broker.setDeployed('app', second, none), 'moved')
      assert.equal(await broker.setDeployed('app', second, { stampMs: 6, digest: '' }), 'moved')
      assert.deepEqual(await broker.deployed('app'), first)
      assert.equal(await broker.setDeployed('app', second, first), 'set')
      assert.equal(await broker.setDeployed('app', first, none), 'moved')
      assert.equal(await broker.setDeployed('app', second, first), 'existing')
      assert.deepEqual(await broker.deployed('app'), second)
    },
  },
  {
    name: 'once a newer version is being deployed no change of an older one does anything, also to what was never stored',
    async run({ broker }) {
      await broker.setSchedules([set('digest', { stampMs: 1 }), set('other', { app: 'another app' })])
      await broker.setDeployed('app', { stampMs: 5, digest: '' }, null)
      const definition = '{"old":1}'
      const old = [set('digest', { definition, stampMs: 4 }), set('new', { stampMs: 4 }), remove('digest', 4)]
      assert.deepEqual(await broker.setSchedules(old), ['moved', 'moved', 'moved'])
      assert.deepEqual(await broker.setSchedules([set('other', { app: 'another app', definition })]), ['set'])
      assert.deepEqual(await broker.setSchedules([set('digest', { definition, stampMs: 5 })]), ['set'])
      assert.deepEqual(namesOf((await broker.schedules({ limit: 9 })).schedules), ['digest', 'other'])
    },
  },
]
