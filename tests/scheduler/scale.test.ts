/** What a pass costs: what is due, not what exists; and what it cannot fire hides nothing behind it. */
import { expect, test } from 'bun:test'
import { defineApp, defineTask } from 'tq-edge'
import { createBeat, custom, deploySchedules, every, tick } from 'tq-edge/scheduler'
import type { Broker, ScheduleQuery } from '../../src/broker.ts'
import { settled } from '../support/clock.ts'
import { appWith, counted, createScene, type Scene, ticksOf, tidy } from './support.ts'

/** More than a page of them. */
const STUCK = 2_500

/** Schedules that are due and stay so: nobody here knows what they say. */
async function storeStuck({ broker, clock }: Scene, count: number, definition = '{"v":9}'): Promise<void> {
  const dueAtMs = clock.now()
  const changes = Array.from(
    { length: count },
    (_, at) =>
      ({ kind: 'set', name: `stuck-${at}`, app: 'shop', definition, dueAtMs, incarnation: 'i', stampMs: 1 }) as const,
  )
  for (let from = 0; from < count; from += 1_000) await broker.setSchedules(changes.slice(from, from + 1_000))
}

/** A schedule that falls due behind them. */
async function deployBehind(scene: Scene, ...more: Parameters<typeof appWith>) {
  const app = appWith(every('urls', '1m', { task: tidy }), ...more)
  const stored = await scene.broker.schedules()
  // What is stored of an app that does not declare it would be removed.
  const change = { kind: 'set', app: 'shop', incarnation: 'i', stampMs: 1 } as const
  await deploySchedules({ app, stampMs: 1, ...scene })
  await scene.broker.setSchedules(
    stored.schedules.map(({ name, definition, dueAtMs }) => ({ ...change, name, definition, dueAtMs })),
  )
  return app
}

test('what stays due costs a pass no second look', async () => {
  const scene = createScene()
  await storeStuck(scene, 10)
  const app = await deployBehind(scene)
  const calls: string[] = []
  const { nextAtMs } = await tick({ app, ...scene, broker: counted(scene.broker, calls) })
  expect(calls).toEqual(['schedules'])
  expect(nextAtMs).toBe(Date.parse('2026-01-05T12:01:00Z'))
})

test('a pass that fires all that is due takes one look, and knows when it goes on', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const app = appWith(every('minutes', '1m', { task: tidy }), every('hours', '1h', { task: tidy }))
  await deploySchedules({ app, ...scene, stampMs: 1 })
  await scene.clock.advance(30_000)
  const looks: unknown[] = []
  const schedules: Broker['schedules'] = (query) => {
    looks.push(query)
    return scene.broker.schedules(query)
  }
  const nowMs = scene.clock.now()
  const report = await tick({ app, ...scene, broker: { ...scene.broker, schedules } })
  expect([looks.length, report]).toEqual([1, { fired: 1, nextAtMs: nowMs + 60_000, nowMs }])
})

test('a pass that another beat was faster than looks again', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const app = appWith(every('minutes', '1m', { task: tidy }))
  await deploySchedules({ app, ...scene, stampMs: 1 })
  await scene.clock.advance(30_000)
  const fire: Broker['fire'] = async (ticks) => {
    await scene.broker.fire(ticks)
    await scene.clock.advance(60_000)
    return scene.broker.fire(ticks)
  }
  const nowMs = scene.clock.now()
  const report = await tick({ app, ...scene, broker: { ...scene.broker, fire } })
  expect(report).toMatchObject({ fired: 0 })
  expect(report.nextAtMs).toBeGreaterThan(nowMs + 60_000)
})

test('a schedule is fired that is due behind thousands that nobody can fire', async () => {
  const scene = createScene()
  await storeStuck(scene, STUCK)
  const app = await deployBehind(scene)
  await scene.clock.advance(60_000)
  const { fired, nextAtMs } = await tick({ app, ...scene })
  expect({ fired, nextAtMs }).toEqual({ fired: 1, nextAtMs: Date.parse('2026-01-05T12:02:00Z') })
})

test('a schedule is fired that is due behind thousands whose queue is full, which are tried again soon', async () => {
  const scene = createScene()
  const many = Array.from({ length: STUCK }, (_, at) => every(`many-${at}`, '1m', { task: tidy, queue: 'full' }))
  const app = appWith(...many, every('urls', '61s', { task: tidy }))
  await deploySchedules({ app, stampMs: 1, ...scene })
  const full: Broker = {
    ...scene.broker,
    async fire(ticks) {
      const outcomes = await scene.broker.fire(ticks.filter(({ job }) => job?.queue !== 'full'))
      let at = 0
      return ticks.map(({ job }) => (job?.queue === 'full' ? 'full' : (outcomes[at++] ?? 'moved')))
    },
  }
  await scene.clock.advance(122_000)
  const { fired, nextAtMs, nowMs } = await tick({ app, ...scene, broker: full })
  expect({ fired, inMs: (nextAtMs ?? 0) - nowMs }).toEqual({ fired: 1, inMs: 1_000 })
})

test('a beat goes through what nobody can fire once in half a minute, not with each pass', async () => {
  const scene = createScene()
  await storeStuck(scene, STUCK)
  const app = await deployBehind(scene, every('often', '1s', { task: tidy }))
  const queries: ScheduleQuery[] = []
  const schedules: Broker['schedules'] = (query = {}) => {
    queries.push(query)
    return scene.broker.schedules(query)
  }
  const beat = createBeat({ app, ...scene, stampMs: 1, broker: { ...scene.broker, schedules } })
  const running = beat.run()
  for (let second = 0; second < 60; second++) {
    await scene.clock.advance(1_000)
    await settled()
  }
  beat.stop()
  await running
  expect(await ticksOf(scene.broker, 'often')).toHaveLength(60)
  // Two pages of them each time, and two looks for each of the sixty ticks.
  expect(queries.filter(({ cursor }) => cursor === undefined).length).toBeLessThanOrEqual(6)
  expect(queries.length).toBeLessThan(140)
})

test('what nobody could fire is fired within a minute once somebody can', async () => {
  const scene = createScene()
  await storeStuck(scene, STUCK)
  const app = await deployBehind(scene)
  const beat = createBeat({ app, ...scene, stampMs: 1 })
  const running = beat.run()
  await scene.clock.advance(1_000)
  const [urls, stuck] = (await scene.broker.schedules({ names: ['urls', 'stuck-0'] })).schedules.toSorted((a) =>
    a.name === 'urls' ? -1 : 1,
  )
  const known = { kind: 'set', name: 'stuck-0', app: 'shop', incarnation: 'i', stampMs: 1 } as const
  await scene.broker.setSchedules([{ ...known, definition: urls?.definition ?? '', dueAtMs: stuck?.dueAtMs ?? null }])
  for (let second = 0; second < 61; second++) await scene.clock.advance(1_000)
  beat.stop()
  await running
  expect((await ticksOf(scene.broker, 'stuck-0')).length).toBeGreaterThan(0)
})

test('a pass over thousands that are due at once fires them all, a page at a time', async () => {
  const scene = createScene()
  const app = appWith(...Array.from({ length: STUCK }, (_, at) => every(`many-${at}`, '1m', { task: tidy })))
  await deploySchedules({ app, stampMs: 1, ...scene })
  await scene.clock.advance(60_000)
  const calls: string[] = []
  expect((await tick({ app, ...scene, broker: counted(scene.broker, calls) })).fired).toBe(STUCK)
  expect(calls).toEqual(['schedules', 'fire', 'schedules', 'fire', 'schedules', 'fire', 'schedules'])
})

test('a pass over rules of the app’s own looks each up once, however many the app declares', async () => {
  const scene = createScene()
  let reads = 0
  const minutes = { next: (afterMs: number) => (Math.floor(afterMs / 60_000) + 1) * 60_000 }
  const schedules = Array.from({ length: 500 }, (_, at) => {
    const own = custom(`own-${at}`, minutes, { task: tidy })
    return Object.defineProperty({ ...own }, 'name', {
      enumerable: true,
      get: () => {
        reads++
        return own.name
      },
    })
  })
  const app = defineApp({ name: 'shop', tasks: [tidy, defineTask({ name: 'other', run: () => {} })], schedules })
  await deploySchedules({ app, stampMs: 1, ...scene })
  await scene.clock.advance(60_000)
  reads = 0
  expect((await tick({ app, ...scene })).fired).toBe(500)
  expect(reads).toBeLessThan(10 * 500)
})
