/** What becomes of a schedule that the app's file and somebody at run time both have a say in: the table of docs/schedules.md. */
import { expect, test } from 'bun:test'
import type { Schedule, ScheduleData } from 'tq-edge'
import { createBeat, createSchedules, cron, deploySchedules, every, tick } from 'tq-edge/scheduler'
import { appWith, createScene, jobsOf, tidy } from './support.ts'

const urls = every('urls', '1m', { task: tidy })
const digest = cron('digest', '0 13 * * *', { task: tidy })
const changed: ScheduleData = { name: 'urls', task: 'tidy', rule: { kind: 'every', everyMs: 300_000 } }

function createConflict() {
  const scene = createScene()
  let stampMs = 0
  return {
    ...scene,
    schedules: createSchedules({ ...scene, appName: 'shop' }),
    /** The next version of the app's file. */
    deploy: (...schedules: Schedule[]) => deploySchedules({ ...scene, app: appWith(...schedules), stampMs: ++stampMs }),
    /** The same version again, as another beat of it starts. */
    deployAgain: (...schedules: Schedule[]) => deploySchedules({ ...scene, app: appWith(...schedules), stampMs }),
  }
}

test('declared in the file and changed at run time: the change counts, and outlives deploys that declare the same', async () => {
  const { schedules, deploy, deployAgain } = createConflict()
  await deploy(urls)
  const overridden = await schedules.set(changed)
  expect(overridden).toMatchObject({ overridden: true, origin: 'app', rule: { everyMs: 300_000 } })
  expect([await deployAgain(urls), await deploy(urls, digest), await deploy(urls)]).toMatchObject([
    { set: 0, removed: 0 },
    { set: 1, removed: 0 },
    { set: 0, removed: 1 },
  ])
  expect(await schedules.get('urls')).toEqual(overridden)
})

test('declared in the file, changed at run time, then changed in the file: the file counts', async () => {
  const { schedules, deploy, clock } = createConflict()
  await deploy(urls)
  await schedules.set(changed)
  expect(await deploy(every('urls', '2m', { task: tidy }))).toMatchObject({ set: 1 })
  expect(await schedules.get('urls')).toMatchObject({
    overridden: false,
    rule: { everyMs: 120_000 },
    dueAtMs: clock.now() + 120_000,
  })
})

test('changed at run time again and again, it is compared with what the file declared at first', async () => {
  const { schedules, deploy } = createConflict()
  await deploy(urls)
  await schedules.set(changed)
  await schedules.set({ ...changed, queue: 'slow' })
  await deploy(urls)
  expect(await schedules.get('urls')).toMatchObject({ overridden: true, queue: 'slow' })
})

test('changed at run time to what the file declares, it is the file’s again', async () => {
  const { schedules, deploy } = createConflict()
  await deploy(urls)
  await schedules.set(changed)
  expect(await schedules.set(urls)).toMatchObject({ overridden: false, rule: { everyMs: 60_000 } })
})

test('taken out of the file it goes, also if it was changed or paused at run time', async () => {
  const { schedules, deploy } = createConflict()
  await deploy(urls, digest)
  await schedules.set(changed)
  await schedules.pause('digest')
  expect(await deploy()).toMatchObject({ removed: 2 })
  expect((await schedules.list()).schedules).toEqual([])
})

test('made at run time it stays, whatever is deployed', async () => {
  const { schedules, deploy } = createConflict()
  await deploy(digest)
  const made = await schedules.add(changed)
  expect(await deploy()).toMatchObject({ set: 0, removed: 1 })
  expect(await schedules.get('urls')).toEqual(made)
})

test('made at run time and then declared in the file, it becomes the app’s, and goes when it is taken out', async () => {
  const { schedules, deploy } = createConflict()
  await schedules.add(changed)
  expect(await deploy(urls)).toMatchObject({ set: 1 })
  expect(await schedules.get('urls')).toMatchObject({ origin: 'app', overridden: false, rule: { everyMs: 60_000 } })
  expect(await deploy()).toMatchObject({ removed: 1 })
})

test('paused it stays paused over every deploy, also of another rule, and resumed it is due by that', async () => {
  const { schedules, deploy, deployAgain } = createConflict()
  await deploy(urls)
  await schedules.pause('urls')
  await deployAgain(urls)
  await deploy(every('urls', '2m', { task: tidy }))
  expect(await schedules.get('urls')).toMatchObject({ paused: true, dueAtMs: null, rule: { everyMs: 120_000 } })
  const { dueAtMs } = await schedules.resume('urls')
  expect(dueAtMs).toBe(Date.parse('2026-01-05T12:02:00Z'))
})

test('paused and changed at run time, it stays both over a deploy that declares the same', async () => {
  const { schedules, deploy } = createConflict()
  await deploy(urls)
  await schedules.set(changed)
  const paused = await schedules.pause('urls')
  await deploy(urls)
  expect(await schedules.get('urls')).toEqual(paused)
})

test('made at run time, paused and then declared in the file, it is the app’s and paused', async () => {
  const { schedules, deploy } = createConflict()
  await schedules.add(changed)
  await schedules.pause('urls')
  await deploy(urls)
  expect(await schedules.get('urls')).toMatchObject({ paused: true, origin: 'app', dueAtMs: null })
})

test('an older version of the app’s file neither ends nor overwrites a change at run time', async () => {
  const { schedules, deploy, broker, ...scene } = createConflict()
  await deploy()
  await deploy(urls)
  const set = await schedules.set(changed)
  const old = { ...scene, broker, app: appWith(every('urls', '9m', { task: tidy })), stampMs: 1 }
  expect(await deploySchedules(old)).toMatchObject({ outdated: true })
  expect(await schedules.get('urls')).toEqual(set)
})

test('a pause between what a deploy reads and what it writes is not lost', async () => {
  const { schedules, deploy, broker, ...scene } = createConflict()
  await deploy(urls, digest)
  let reads = 0
  const paused = {
    ...broker,
    schedules: async (query: Parameters<typeof broker.schedules>[0]) => {
      const page = await broker.schedules(query)
      if (++reads === 1) await schedules.pause('urls')
      return page
    },
  }
  const edited = every('urls', '2m', { task: tidy })
  const app = appWith(edited)
  expect(await deploySchedules({ ...scene, broker: paused, app, stampMs: 9 })).toEqual({
    set: 1,
    removed: 1,
    outdated: false,
  })
  expect(reads).toBe(2)
  expect(await schedules.get('urls')).toMatchObject({ paused: true, rule: { everyMs: 120_000 } })
})

test('a deploy that others always get ahead of ends all the same', async () => {
  const { schedules, deploy, broker, ...scene } = createConflict()
  await deploy(urls)
  let reads = 0
  const restless = {
    ...broker,
    schedules: async (query: Parameters<typeof broker.schedules>[0]) => {
      const page = await broker.schedules(query)
      await schedules[reads++ % 2 === 0 ? 'pause' : 'resume']('urls')
      return page
    },
  }
  const app = appWith(every('urls', '2m', { task: tidy }))
  expect(await deploySchedules({ ...scene, broker: restless, app, stampMs: 9 })).toMatchObject({ set: 0 })
  expect(reads).toBe(5)
})

test('one made at run time of a task that the app has no more is told of once, and others go on', async () => {
  const { schedules, ...scene } = createConflict()
  await schedules.add({ ...changed, task: 'gone' })
  await schedules.add({ ...changed, name: 'others' })
  const app = appWith()
  await scene.clock.advance(300_000)
  expect((await tick({ ...scene, app })).fired).toBe(1)
  expect(scene.events).toContainEqual({ kind: 'beat.unknown', schedule: 'urls', task: 'gone' })
  expect(await jobsOf(scene.broker)).toMatchObject([{ tick: { schedule: 'others' } }])
})

test('a beat that is running fires what is added to it, and no more of what is paused', async () => {
  const { schedules, ...scene } = createConflict()
  const beat = createBeat({ ...scene, app: appWith(), stampMs: 1 })
  const run = beat.run()
  await scene.clock.advance(1)
  await schedules.add({ ...changed, rule: { kind: 'every', everyMs: 60_000 } })
  await scene.clock.advance(120_000)
  await schedules.pause('urls')
  await scene.clock.advance(120_000)
  beat.stop()
  await scene.clock.advance(30_000)
  await run
  expect(await jobsOf(scene.broker)).toHaveLength(2)
})
