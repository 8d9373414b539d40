import { expect, test } from 'bun:test'
import { InvalidOption } from 'tq-edge'
import { cron, deploySchedules, every, tick } from 'tq-edge/scheduler'
import { appWith, createScene, dueTimesOf, jobsOf, tidy } from './support.ts'

const urls = every('urls', '1m', { task: tidy })
const digest = cron('digest', '0 13 * * *', { task: tidy })

test('a deploy stores the schedules with the app, its stamp and the next due time', async () => {
  const scene = createScene()
  expect(await deploySchedules({ app: appWith(urls, digest), stampMs: 7, ...scene })).toEqual({
    set: 2,
    removed: 0,
    outdated: false,
  })
  expect((await scene.broker.schedules()).schedules).toMatchObject([
    { name: 'urls', app: 'shop', stampMs: 7, dueAtMs: Date.parse('2026-01-05T12:01:00Z'), lastDueAtMs: null },
    { name: 'digest', app: 'shop', stampMs: 7, dueAtMs: Date.parse('2026-01-05T13:00:00Z'), lastDueAtMs: null },
  ])
})

test('deploying the same again changes nothing, so a tick that is due stays due', async () => {
  const scene = createScene()
  await deploySchedules({ app: appWith(urls), stampMs: 1, ...scene })
  await scene.clock.advance(90_000)
  const before = (await scene.broker.schedules()).schedules
  expect(await deploySchedules({ app: appWith(urls), stampMs: 1, ...scene })).toMatchObject({ set: 0, removed: 0 })
  expect((await scene.broker.schedules()).schedules).toEqual(before)
})

test('an older version never overwrites, removes or brings back what a newer one has deployed', async () => {
  const scene = createScene()
  const newer = appWith(every('urls', '5m', { task: tidy }), every('added', '1h', { task: tidy }))
  await deploySchedules({ app: newer, stampMs: 20, ...scene })
  const before = (await scene.broker.schedules()).schedules
  expect(await deploySchedules({ app: appWith(urls, digest), stampMs: 10, ...scene })).toEqual({
    set: 0,
    removed: 0,
    outdated: true,
  })
  expect((await scene.broker.schedules()).schedules).toEqual(before)
})

test('a schedule that was removed from the app stops firing', async () => {
  const scene = createScene()
  await deploySchedules({ app: appWith(urls, digest), stampMs: 1, ...scene })
  await scene.clock.advance(60_000)
  const app = appWith(digest)
  expect(await deploySchedules({ app, stampMs: 2, ...scene })).toMatchObject({ set: 0, removed: 1 })
  expect((await tick({ app, ...scene })).fired).toBe(0)
  expect((await scene.broker.schedules()).schedules.map(({ name }) => name)).toEqual(['digest'])
})

test('a schedule that was removed and comes back is another one: it may fire a time that the first has fired', async () => {
  const scene = createScene()
  const deploy = (stampMs: number, ...schedules: (typeof urls)[]) =>
    deploySchedules({ app: appWith(...schedules), stampMs, ...scene })
  const incarnation = async () => (await scene.broker.schedules()).schedules[0]?.incarnation
  await deploy(1, urls)
  const first = await incarnation()
  await deploy(2)
  await deploy(3, urls)
  expect(await incarnation()).not.toBe(first as string)
})

test('an edited rule is due next by the new rule, and never at or before the last tick fired', async () => {
  const scene = createScene()
  const app = appWith(urls)
  await deploySchedules({ app, stampMs: 1, ...scene })
  await scene.clock.advance(60_000)
  await tick({ app, ...scene })
  const edited = appWith(every('urls', '20s', { task: tidy }))
  expect(await deploySchedules({ app: edited, stampMs: 2, ...scene })).toMatchObject({ set: 1 })
  for (let step = 0; step < 6; step++) {
    await tick({ app: edited, ...scene })
    await scene.clock.advance(10_000)
  }
  expect(await dueTimesOf(scene.broker)).toEqual([
    '2026-01-05T12:01:00.000Z',
    '2026-01-05T12:01:20.000Z',
    '2026-01-05T12:01:40.000Z',
  ])
})

test('an edited input does not lose the tick that is due', async () => {
  const scene = createScene()
  await deploySchedules({ app: appWith(digest), stampMs: 1, ...scene })
  await scene.clock.advance(2 * 3_600_000)
  const app = appWith(cron('digest', '0 13 * * *', { task: tidy, input: 'new' }))
  await deploySchedules({ app, stampMs: 2, ...scene })
  await tick({ app, ...scene })
  expect(await jobsOf(scene.broker)).toMatchObject([{ input: '"new"', tick: { lateMs: 3_600_000 } }])
})

test('two apps on one broker leave each other alone', async () => {
  const scene = createScene()
  await deploySchedules({ app: { ...appWith(urls), name: 'one' }, stampMs: 1, ...scene })
  await deploySchedules({ app: { ...appWith(digest), name: 'two' }, stampMs: 9, ...scene })
  const edited = { ...appWith(every('urls', '5m', { task: tidy })), name: 'one' }
  expect(await deploySchedules({ app: edited, stampMs: 2, ...scene })).toEqual({ set: 1, removed: 0, outdated: false })
  expect((await scene.broker.schedules()).schedules.map(({ name, app }) => `${app}/${name}`)).toEqual([
    'one/urls',
    'two/digest',
  ])
})

for (const stampMs of [Number.NaN, -1, 1.5])
  test(`a stamp of ${stampMs} is refused`, async () => {
    const scene = createScene()
    const deploying = deploySchedules({ app: appWith(urls), ...scene, stampMs })
    await expect(deploying).rejects.toThrow(InvalidOption)
  })
