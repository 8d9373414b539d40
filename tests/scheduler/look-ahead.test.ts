/** Passes that look ahead: schedules that are due more often than anybody passes. */
import { expect, test } from 'bun:test'
import { type App, defineApp, defineTask, drain, InvalidOption } from 'tq-edge'
import { createBeat, cron, deploySchedules, every, tick } from 'tq-edge/scheduler'
import type { JobRecord } from '../../src/job.ts'
import { settled } from '../support/clock.ts'
import {
  appWith,
  createRandom,
  createScene,
  dueTimes,
  dueTimesOf,
  jobsOf,
  type Scene,
  ticksOf,
  tidy,
  unreliable,
} from './support.ts'

const MINUTE_MS = 60_000
const aheadMs = MINUTE_MS
const often = every('often', '5s', { task: tidy })

let stamps = 0
const deployed = (scene: Scene, app: App) => deploySchedules({ app, stampMs: ++stamps, ...scene })

const byDueTime = (jobs: readonly JobRecord[]) =>
  jobs.toSorted((a, b) => (a.tick?.dueAtMs ?? 0) - (b.tick?.dueAtMs ?? 0))

test('a pass that looks ahead makes each due time of its window a job that waits for it', async () => {
  const scene = createScene()
  const app = appWith(every('often', '20s', { task: tidy, priority: 3 }), every('rarely', '2m', { task: tidy }))
  await deployed(scene, app)
  const nowMs = scene.clock.now()
  expect(await tick({ app, ...scene, aheadMs })).toEqual({ fired: 3, nextAtMs: nowMs + 80_000, nowMs })
  const expected = [20_000, 40_000, 60_000].map((ms) => ({
    id: `often:id-1:${nowMs + ms}`,
    state: 'scheduled',
    atMs: nowMs + ms,
    priority: 3,
    tick: { schedule: 'often', dueAtMs: nowMs + ms, lateMs: 0, catchUp: false },
  }))
  expect(byDueTime(await jobsOf(scene.broker))).toMatchObject(expected)
  expect(scene.events.filter(({ kind }) => kind === 'beat.fired')).toHaveLength(3)
  expect((await tick({ app, ...scene, aheadMs })).fired).toBe(0)
})

test('of what was missed the latest becomes a job, and the due times to come one each', async () => {
  const scene = createScene()
  const app = appWith(often)
  await deployed(scene, app)
  await scene.clock.advance(13_000)
  expect((await tick({ app, ...scene, aheadMs: 12_000 })).fired).toBe(4)
  expect((await ticksOf(scene.broker)).map(({ lateMs, catchUp }) => [lateMs, catchUp])).toEqual([
    [3_000, true],
    [0, false],
    [0, false],
    [0, false],
  ])
})

test('a minute of the shortest interval is 600 jobs, a rule that ends within it no more than it has', async () => {
  const scene = createScene()
  const app = appWith(every('tenths', '100ms', { task: tidy }), cron('once', '30 0 12 5 1 * 2026', { task: tidy }))
  await deployed(scene, app)
  expect((await tick({ app, ...scene, aheadMs })).fired).toBe(601)
  expect(await ticksOf(scene.broker, 'once')).toHaveLength(1)
})

for (const wrong of [-1, 0.5, 900_001, Number.NaN])
  test(`looking ${wrong} ms ahead is refused before anything is asked`, async () => {
    const scene = createScene()
    const refused = tick({ app: appWith(often), ...scene, aheadMs: wrong })
    await expect(refused).rejects.toThrow(InvalidOption)
  })

test('a schedule whose task the app lacks is not looked ahead', async () => {
  const scene = createScene()
  const mail = defineTask({ name: 'mail', run: () => {} })
  await deployed(scene, defineApp({ name: 'shop', tasks: [mail], schedules: [every('mails', '10s', { task: mail })] }))
  expect((await tick({ app: appWith(), ...scene, aheadMs })).fired).toBe(0)
  expect(await jobsOf(scene.broker)).toEqual([])
})

test('invocations of every minute that look ahead and stay run a schedule of every 5 seconds in time', async () => {
  const scene = createScene()
  const ranAtMs: number[] = []
  const note = defineTask({
    name: 'note',
    run: (_, { tick: told }) => {
      ranAtMs.push(scene.clock.now())
      expect(scene.clock.now()).toBe(told?.dueAtMs ?? 0)
    },
  })
  const schedule = every('often', '5s', { task: note })
  const app = defineApp({ name: 'shop', tasks: [note], schedules: [schedule] })
  await deployed(scene, app)
  const startMs = scene.clock.now()
  const { broker, clock, random } = scene
  async function invoke(): Promise<void> {
    await tick({ app, ...scene, aheadMs })
    await drain(app, { broker, clock, random, budgetMs: MINUTE_MS + 2_000, maxSubrequests: 200, stay: true })
  }
  const invocations: Promise<void>[] = []
  for (let second = 0; second < 240; second++) {
    if (second % 60 === 0 && second < 180) invocations.push(invoke())
    await clock.advance(500)
    await clock.advance(500)
  }
  await Promise.all(invocations)
  expect(ranAtMs).toEqual(dueTimes(schedule, startMs, startMs + 180_000))
})

test('a beat beside passes that look ahead fires nothing twice and nothing early, on a bad line', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const scene = createScene()
    const app = appWith(often, cron('tens', '*/10 * * * * *', { task: tidy }))
    const startMs = scene.clock.now()
    await deployed(scene, app)
    const beats = [1, 2].map((at) => {
      const random = createRandom(100 * seed + at)
      const beat = createBeat({ app, ...scene, stampMs: stamps, random, broker: unreliable(scene.broker, random) })
      return { beat, running: beat.run() }
    })
    const random = createRandom(seed)
    const passes: Promise<unknown>[] = []
    const line = unreliable(scene.broker, random)
    for (let second = 0; second < 180; second++) {
      if (second % 60 === 7 * seed || second % 60 === 7 * seed + 1)
        passes.push(tick({ app, ...scene, random, broker: line, aheadMs: second % 2 === 0 ? aheadMs : 40_000 }))
      await scene.clock.advance(1_000)
      await settled()
      const early = (await jobsOf(scene.broker)).filter(
        ({ state, tick: told }) => state === 'queued' && (told?.dueAtMs ?? 0) > scene.clock.now(),
      )
      expect(early).toEqual([])
    }
    for (const { beat } of beats) beat.stop()
    await Promise.all([...passes, ...beats.map(({ running }) => running)])
    for (const schedule of app.schedules) {
      const fired = (await ticksOf(scene.broker, schedule.name)).map(({ dueAtMs }) => dueAtMs)
      const untilMs = Math.max(...fired)
      expect(fired).toEqual(dueTimes(schedule, startMs, untilMs))
      expect(untilMs).toBeGreaterThanOrEqual(startMs + 180_000)
    }
    const told = scene.events.flatMap((event) => (event.kind === 'beat.fired' ? [event.id] : []))
    expect(told).toEqual([...new Set(told)])
  }
})

test('an edited input takes over what was looked ahead at and is not due yet: each due time stays one job', async () => {
  const scene = createScene()
  await deployed(scene, appWith(often))
  const startMs = scene.clock.now()
  await tick({ app: appWith(often), ...scene, aheadMs })
  await scene.clock.advance(22_000)
  const edited = appWith(every('often', '5s', { task: tidy, input: 'new' }))
  await deployed(scene, edited)
  await tick({ app: edited, ...scene, aheadMs })
  const jobs = byDueTime(await jobsOf(scene.broker))
  expect(jobs.map((job) => job.tick?.dueAtMs)).toEqual(dueTimes(often, startMs, startMs + 22_000 + aheadMs))
  expect(jobs.map(({ input }) => input === '"new"')).toEqual(jobs.map((_, at) => at >= 4))
  expect(jobs.every((job) => job.tick?.catchUp === false)).toBe(true)
})

test('an edited interval is due by the new rule at once, although the old one was looked ahead at', async () => {
  const scene = createScene()
  await deployed(scene, appWith(often))
  await tick({ app: appWith(often), ...scene, aheadMs })
  await scene.clock.advance(11_000)
  const edited = appWith(every('often', '2s', { task: tidy }))
  await deployed(scene, edited)
  expect((await scene.broker.schedules()).schedules).toMatchObject([
    { dueAtMs: Date.parse('2026-01-05T12:00:12Z'), lastDueAtMs: Date.parse('2026-01-05T12:00:10Z') },
  ])
  await tick({ app: edited, ...scene, aheadMs: 5_000 })
  const seconds = (await dueTimesOf(scene.broker)).map((time) => time.slice(17, 19))
  expect(seconds).toEqual(['05', '10', '12', '14', '16'])
})

test('a schedule that the app no longer has leaves no job that is not due yet', async () => {
  const scene = createScene()
  await deployed(scene, appWith(often))
  await tick({ app: appWith(often), ...scene, aheadMs })
  await scene.clock.advance(11_000)
  await deployed(scene, appWith())
  expect((await dueTimesOf(scene.broker)).map((time) => time.slice(17, 19))).toEqual(['05', '10'])
})

test('whoever deploys while others look ahead, on a bad line, each due time is one job', async () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const scene = createScene()
    const random = createRandom(seed)
    const startMs = scene.clock.now()
    const onBadLine = { ...scene, random, broker: unreliable(scene.broker, random) }
    let app = appWith(often)
    await deployed(scene, app)
    const underWay: Promise<unknown>[] = []
    for (let second = 0; second < 180; second++) {
      if (random() < 0.1) {
        app = appWith(every('often', '5s', { task: tidy, input: second }))
        underWay.push(deploySchedules({ app, ...onBadLine, stampMs: ++stamps }))
      }
      if (random() < 0.2) underWay.push(tick({ app, ...onBadLine, aheadMs: Math.floor(random() * MINUTE_MS) }))
      await scene.clock.advance(1_000)
      // Whatever the line has done, somebody comes by in time.
      await tick({ app, ...scene })
    }
    await Promise.all(underWay)
    const fired = (await ticksOf(scene.broker)).map(({ dueAtMs }) => dueAtMs)
    expect(fired).toEqual(dueTimes(often, startMs, Math.max(...fired)))
    expect(fired.length).toBeGreaterThanOrEqual(36)
  }
})
