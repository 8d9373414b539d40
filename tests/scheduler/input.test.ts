import { expect, test } from 'bun:test'
import { type Broker, BrokerUnavailable, defineApp, defineTask, InvalidInput, type JobTick, TooLarge } from 'tq-edge'
import { cron, deploySchedules, every, fromDefinition, tick, toDefinition } from 'tq-edge/scheduler'
import * as v from 'valibot'
import { createScene, jobsOf, type Scene, tidy } from './support.ts'

const report = defineTask({ name: 'report', input: v.object({ day: v.string() }), run: ({ day }) => day })
const dayOf = ({ dueAtMs }: JobTick) => ({ day: new Date(dueAtMs).toISOString().slice(0, 10) })
const daily = cron('daily', '0 13 * * *', { task: report, input: dayOf })
const DAY_MS = 86_400_000

const appWith = (...schedules: Parameters<typeof toDefinition>[0][]) =>
  defineApp({ name: 'shop', tasks: [report, tidy], schedules })

async function deployed(scene: Scene, ...schedules: Parameters<typeof toDefinition>[0][]) {
  const app = appWith(...schedules)
  await deploySchedules({ app, ...scene, stampMs: 1 })
  return { app, ...scene }
}

const inputsOf = async (scene: Scene) =>
  (await jobsOf(scene.broker))
    .map(({ input, tick }) => [tick?.dueAtMs, input])
    .sort()
    .map(([, input]) => input)

test('a function makes the input of each tick’s job from the tick', async () => {
  const scene = createScene('2026-01-05T12:00Z')
  const beat = await deployed(scene, daily)
  for (let day = 0; day < 2; day++) {
    await scene.clock.advance(DAY_MS)
    await tick(beat)
  }
  expect(await inputsOf(scene)).toEqual(['{"day":"2026-01-05"}', '{"day":"2026-01-06"}'])
})

test('it is told what the job is told: the due time, how late it is, and whether it was missed', async () => {
  const scene = createScene('2026-01-05T12:00Z')
  const told: JobTick[] = []
  const input = (tick: JobTick) => {
    told.push(tick)
    return null
  }
  const beat = await deployed(scene, cron('daily', '0 13 * * *', { task: tidy, input, catchUp: 'all' }))
  await scene.clock.advance(DAY_MS + 3_600_000)
  await tick(beat)
  expect(told).toEqual((await jobsOf(scene.broker)).map(({ tick }) => tick as JobTick).reverse())
  expect(told.map(({ catchUp, lateMs }) => [catchUp, lateMs])).toEqual([
    [true, DAY_MS],
    [false, 0],
  ])
})

test('ticks that are looked ahead have the input of their own due time', async () => {
  const scene = createScene('2026-01-05T12:00Z')
  const often = every('often', '20s', { task: tidy, input: ({ dueAtMs }) => dueAtMs % 60_000 })
  const beat = await deployed(scene, often)
  await scene.clock.advance(20_000)
  await tick({ ...beat, aheadMs: 40_000 })
  expect(await inputsOf(scene)).toEqual(['20000', '40000', '0'])
})

test('a job that is fired again after a lost reply has the input of the first time', async () => {
  const scene = createScene('2026-01-05T12:00Z')
  let calls = 0
  const beat = await deployed(scene, cron('daily', '0 13 * * *', { task: tidy, input: () => ++calls }))
  await scene.clock.advance(DAY_MS)
  let lost = false
  const fire: Broker['fire'] = async (ticks) => {
    const outcomes = await scene.broker.fire(ticks)
    if (lost) return outcomes
    lost = true
    throw new BrokerUnavailable('flaky', 'nothing')
  }
  const firing = tick({ ...beat, broker: { ...scene.broker, fire } })
  await scene.clock.advance(60_000)
  await firing
  expect([lost, await inputsOf(scene)]).toEqual([true, ['1']])
})

test('a function that throws, or makes what the task refuses, is told once, and stays due; others go on', async () => {
  const scene = createScene('2026-01-05T12:00Z')
  const fail = () => {
    throw new RangeError('no such day')
  }
  const refused = () => ({ day: 7 }) as unknown as { day: string }
  const huge = () => 'x'.repeat(1_048_577)
  const schedules = (daily: () => { day: string }) => [
    cron('failing', '0 13 * * *', { task: report, input: daily }),
    cron('refused', '0 13 * * *', { task: report, input: daily === fail ? refused : daily }),
    cron('huge', '0 13 * * *', { task: tidy, input: daily === fail ? huge : daily }),
    cron('fine', '0 13 * * *', { task: tidy }),
  ]
  const beat = await deployed(scene, ...schedules(fail))
  await scene.clock.advance(DAY_MS)
  expect(await tick(beat)).toMatchObject({ fired: 1 })
  const reasons = scene.events.flatMap((event) =>
    event.kind === 'beat.broken' ? [[event.schedule, event.reason]] : [],
  )
  expect(reasons).toEqual([
    ['failing', 'no such day'],
    ['huge', new TooLarge('the input of "huge"', 1_048_576, 1_048_579).message],
    ['refused', expect.stringContaining('day')],
  ])
  const mended = appWith(...schedules(() => ({ day: 'one' })))
  expect(await tick({ ...beat, app: mended })).toMatchObject({ fired: 3 })
})

test('what is caught up with before the tick that fails is fired', async () => {
  const scene = createScene('2026-01-05T12:00Z')
  const input = ({ dueAtMs }: JobTick) => {
    if (dueAtMs === Date.parse('2026-01-07T13:00Z')) throw new RangeError('the third')
    return null
  }
  const beat = await deployed(
    scene,
    cron('daily', '0 13 * * *', { task: tidy, input, catchUp: { maxAgeMs: 9 * DAY_MS } }),
  )
  await scene.clock.advance(5 * DAY_MS)
  expect(await tick(beat)).toMatchObject({ fired: 2 })
})

test('a beat whose app does not declare the function leaves the schedule alone', async () => {
  const scene = createScene('2026-01-05T12:00Z')
  const beat = await deployed(scene, daily)
  await scene.clock.advance(DAY_MS)
  const constant = cron('daily', '0 13 * * *', { task: report, input: { day: 'always' } })
  for (const app of [appWith(), appWith(constant)]) expect(await tick({ ...beat, app })).toMatchObject({ fired: 0 })
  expect(scene.events.map(({ kind }) => kind)).toEqual(['beat.unknown', 'beat.unknown'])
  expect(await tick(beat)).toMatchObject({ fired: 1 })
})

test('its definition is one that a beat without functions leaves alone, and the same for the same declaration', () => {
  const definition = toDefinition(daily)
  expect(JSON.parse(definition)).toMatchObject({ v: 2, input: '', inputBy: 'function' })
  expect(toDefinition(cron('daily', '0 13 * * *', { task: report, input: dayOf }))).toBe(definition)
  expect(fromDefinition({ name: 'daily', definition })).toBeNull()
  expect(fromDefinition({ name: 'daily', definition }, [daily])).toMatchObject({
    name: 'daily',
    inputOf: daily.inputOf,
  })
})

test('an input that the task refuses is an error at once where it is none of a function', () => {
  const input = { day: 7 } as unknown as { day: string }
  expect(() => cron('daily', '0 13 * * *', { task: report, input })).toThrow(InvalidInput)
})

test('what the function makes is typed by the task', () => {
  const typed = cron('daily', '0 13 * * *', { task: report, input: (tick) => ({ day: String(tick.dueAtMs) }) })
  // @ts-expect-error: a day is a text
  const mistyped = cron('daily', '0 13 * * *', { task: report, input: (tick) => ({ day: tick.dueAtMs }) })
  // @ts-expect-error: it takes an input
  expect(() => cron('daily', '0 13 * * *', { task: report })).toThrow(InvalidInput)
  expect(toDefinition(typed)).toBe(toDefinition(mistyped))
})
