import { expect, test } from 'bun:test'
import { InvalidOption } from 'tq-edge'
import { cron, custom, deploySchedules, every, tick } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { appWith, counted, createRandom, createScene, dueTimesOf, jobsOf, tidy, unreliable } from './support.ts'

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

const hourly = (count: number, task = tidy) =>
  Array.from({ length: count }, (_, at) => every(`hourly-${at}`, '1h', { task, catchUp: 'skip' }))

for (const stampMs of [1, undefined])
  test(`a deploy that changes nothing is one call, ${stampMs ? 'with its stamp' : 'and asks for no stamp'}`, async () => {
    const scene = createScene()
    await deploySchedules({ app: appWith(urls, digest), stampMs, ...scene })
    const calls: string[] = []
    const again = { ...scene, broker: counted(scene.broker, calls) }
    expect(await deploySchedules({ app: appWith(digest, urls), stampMs, ...again })).toEqual({
      set: 0,
      removed: 0,
      outdated: false,
    })
    expect(calls).toEqual(['deployed'])
  })

test('what an app declares under a name that another one has comes once that one gives the name up, without a change of its own', async () => {
  const scene = createScene()
  const own = appWith(urls)
  const other = { ...appWith(urls, digest), name: 'press' }
  const ownerOf = async (name: string) => (await scene.broker.schedules({ names: [name] })).schedules[0]?.app
  await deploySchedules({ app: other, stampMs: 20, ...scene })
  await deploySchedules({ app: own, stampMs: 10, ...scene })
  expect(await ownerOf('urls')).toBe('press')
  await deploySchedules({ app: { ...appWith(digest), name: 'press' }, stampMs: 30, ...scene })
  expect(await deploySchedules({ app: own, stampMs: 10, ...scene })).toEqual({ set: 1, removed: 0, outdated: false })
  expect(await ownerOf('urls')).toBe('shop')
})

test('a newer version that declares the same leaves its stamp alone, and keeps an older one out', async () => {
  const scene = createScene()
  await deploySchedules({ app: appWith(urls), stampMs: 1, ...scene })
  const calls: string[] = []
  await deploySchedules({ app: appWith(urls), stampMs: 9, ...scene, broker: counted(scene.broker, calls) })
  expect(calls).toEqual(['deployed', 'setDeployed'])
  expect(await deploySchedules({ app: appWith(digest), stampMs: 5, ...scene })).toMatchObject({ outdated: true })
  expect((await scene.broker.schedules()).schedules.map(({ name }) => name)).toEqual(['urls'])
})

test('a change made at run time is not undone by an app that declares what it did', async () => {
  const scene = createScene()
  await deploySchedules({ app: appWith(urls), stampMs: 1, ...scene })
  const definition = '{"changed":1}'
  const change = { kind: 'set', name: 'urls', app: 'shop', dueAtMs: null, incarnation: 'i', stampMs: 1 } as const
  await scene.broker.setSchedules([{ ...change, definition }])
  for (const stampMs of [1, 2]) await deploySchedules({ app: appWith(urls), stampMs, ...scene })
  expect((await scene.broker.schedules()).schedules).toMatchObject([{ name: 'urls', definition }])
})

test('a deploy that has stopped half-way is done by the next one, also by that of what was deployed before', async () => {
  for (const next of [hourly(2_500), [urls]]) {
    const scene = createScene()
    await deploySchedules({ app: appWith(urls), stampMs: 1, ...scene })
    let sent = 0
    const setSchedules: Broker['setSchedules'] = (changes) =>
      ++sent === 2 ? Promise.reject(new TypeError('the end')) : scene.broker.setSchedules(changes)
    const stopping = deploySchedules({
      app: appWith(...hourly(2_500)),
      stampMs: 2,
      ...scene,
      broker: { ...scene.broker, setSchedules },
    })
    await expect(stopping).rejects.toThrow('the end')
    await deploySchedules({ app: appWith(...next), stampMs: 2, ...scene })
    const { schedules } = await scene.broker.schedules()
    expect(schedules.map(({ name }) => name).sort()).toEqual(next.map(({ name }) => name).sort())
  }
})

test('thousands of schedules are deployed, changed and removed by the thousand', async () => {
  const scene = createScene()
  await deploySchedules({ app: appWith(...hourly(2_500)), stampMs: 1, ...scene })
  const calls: string[] = []
  const app = appWith(...hourly(2_000).map((schedule) => ({ ...schedule, input: '"new"' })), urls)
  expect(await deploySchedules({ app, stampMs: 2, ...scene, broker: counted(scene.broker, calls) })).toEqual({
    set: 2_001,
    removed: 500,
    outdated: false,
  })
  // Three pages of what was stored, each with its changes, and one of what is new.
  expect(calls.filter((call) => call === 'setSchedules')).toHaveLength(4)
  expect((await scene.broker.schedules()).schedules).toHaveLength(2_001)
})

test('a rule of the app’s own that could not tell when it is due is tried again by the next deploy', async () => {
  const scene = createScene()
  let isBroken = true
  const rule = {
    next(afterMs: number) {
      if (isBroken) throw new Error('no table of the tides')
      return afterMs + 1_000
    },
  }
  const app = appWith(custom('tide', rule, { task: tidy }), urls)
  expect(await deploySchedules({ app, stampMs: 1, ...scene })).toMatchObject({ set: 1 })
  isBroken = false
  expect(await deploySchedules({ app, stampMs: 1, ...scene })).toMatchObject({ set: 1 })
  const calls: string[] = []
  await deploySchedules({ app, stampMs: 1, ...scene, broker: counted(scene.broker, calls) })
  expect(calls).toEqual(['deployed'])
})

test('of two files of one stamp that are deployed at once, what is noted in the end is what is stored', async () => {
  const scene = createScene()
  const [one, two] = ['1m', '2m'].map((interval) => appWith(every('urls', interval, { task: tidy })))
  if (!one || !two) throw new Error('expected two files')
  let isFirst = true
  const setSchedules: Broker['setSchedules'] = async (changes) => {
    if (isFirst) {
      isFirst = false
      await deploySchedules({ app: two, stampMs: 5, ...scene })
    }
    return scene.broker.setSchedules(changes)
  }
  await deploySchedules({ app: one, stampMs: 5, ...scene, broker: { ...scene.broker, setSchedules } })
  expect((await scene.broker.schedules()).schedules[0]?.definition).toContain('60000')
  expect(await deploySchedules({ app: two, stampMs: 5, ...scene })).toMatchObject({ set: 1 })
})

for (const seed of Array.from({ length: 20 }, (_, at) => at))
  test(`of versions that are deployed at once over a bad line the newest is left, and known as it is (${seed})`, async () => {
    const scene = createScene()
    const line = unreliable(scene.broker, createRandom(seed))
    const versions = [1, 2, 3].map((stampMs) => ({
      stampMs,
      app: appWith(...hourly(4 - stampMs), every('urls', `${stampMs}m`, { task: tidy })),
    }))
    const deploying = versions.map((version, at) =>
      deploySchedules({ ...version, ...scene, broker: line, random: createRandom(seed + at) }),
    )
    const done = Promise.all(deploying)
    await scene.clock.advance(120_000)
    await done
    const { schedules } = await scene.broker.schedules()
    expect(schedules.map(({ name }) => name).sort()).toEqual(['hourly-0', 'urls'])
    expect(schedules.find(({ name }) => name === 'urls')?.definition).toContain('180000')
    const calls: string[] = []
    const newest = versions[2] as (typeof versions)[number]
    await deploySchedules({ ...newest, ...scene, broker: counted(scene.broker, calls) })
    expect(calls).toEqual(['deployed'])
  })
