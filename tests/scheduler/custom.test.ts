import { expect, test } from 'bun:test'
import { InvalidOption, type Schedule } from 'tq-edge'
import { cron, custom, deploySchedules, every, fromDefinition, tick, toDefinition } from 'tq-edge/scheduler'
import { appWith, createScene, dueTimes, dueTimesOf, type Scene, tidy } from './support.ts'

const HOUR_MS = 3_600_000
const oddHours = {
  next(afterMs: number) {
    const next = (Math.floor(afterMs / HOUR_MS) + 1) * HOUR_MS
    return new Date(next).getUTCHours() % 2 === 1 ? next : next + HOUR_MS
  },
}
const odd = custom('odd', oddHours, { task: tidy })

async function deployTo(scene: Scene, stampMs: number, ...schedules: Schedule[]): Promise<void> {
  await deploySchedules({ app: appWith(...schedules), ...scene, stampMs })
}

const kindsOf = ({ events }: Scene) => events.map(({ kind }) => kind)

test('a rule of the app’s own is due when it says, within the bounds that every kind has', () => {
  const until = { startAt: '2026-01-05T04:00Z', endAt: '2026-01-05T09:00Z' }
  const { next } = custom('odd', oddHours, { task: tidy, ...until })
  const due = dueTimes({ next }, Date.UTC(2026, 0, 5), Date.UTC(2026, 0, 6))
  expect(due.map((at) => new Date(at).getUTCHours())).toEqual([5, 7, 9])
})

test('it is fired like any other, with one job for what was missed', async () => {
  const scene = createScene('2026-01-05T12:30:00Z')
  await deployTo(scene, 1, odd)
  for (const hours of [1, 1, 1, 6]) {
    await scene.clock.advance(hours * HOUR_MS)
    await tick({ app: appWith(odd), ...scene })
  }
  expect(await dueTimesOf(scene.broker)).toEqual([
    '2026-01-05T13:00:00.000Z',
    '2026-01-05T15:00:00.000Z',
    '2026-01-05T21:00:00.000Z',
  ])
})

test('a beat whose app does not declare it, or declares another version of it, leaves it alone', async () => {
  const scene = createScene('2026-01-05T12:30:00Z')
  await deployTo(scene, 1, odd)
  await scene.clock.advance(HOUR_MS)
  const strangers = [
    appWith(),
    appWith(custom('odd', oddHours, { task: tidy, version: 2 })),
    appWith(every('odd', '1h', { task: tidy })),
    appWith(custom('even', oddHours, { task: tidy })),
  ]
  for (const app of strangers) expect(await tick({ app, ...scene })).toMatchObject({ fired: 0, nextAtMs: null })
  expect(kindsOf(scene)).toEqual(strangers.map(() => 'beat.unknown'))
  expect((await tick({ app: appWith(odd), ...scene })).fired).toBe(1)
})

test('another version is due next by its own code', async () => {
  const scene = createScene('2026-01-05T12:30:00Z')
  const never = custom('odd', { next: () => null }, { task: tidy })
  await deployTo(scene, 1, never)
  await deployTo(scene, 2, odd)
  expect((await scene.broker.schedules()).schedules[0]?.dueAtMs).toBeNull()
  await deployTo(scene, 3, custom('odd', oddHours, { task: tidy, version: 2 }))
  expect((await scene.broker.schedules()).schedules[0]?.dueAtMs).toBe(Date.UTC(2026, 0, 5, 13))
})

test('its definition names it, and is nothing without the app', () => {
  const definition = toDefinition(odd)
  expect(fromDefinition({ name: 'odd', definition })).toBeNull()
  expect(fromDefinition({ name: 'odd', definition }, [odd])?.next).toBe(odd.next)
})

for (const [what, next, reason] of [
  [
    'throws',
    () => {
      throw new Error('no moon')
    },
    'no moon',
  ],
  ['goes backwards', (afterMs: number) => afterMs - 1, 'whole milliseconds after it, or null'],
  ['stands still', (afterMs: number) => afterMs, 'whole milliseconds after it, or null'],
  ['answers with what is no time', () => Number.NaN, 'got NaN'],
  ['answers with nothing', () => undefined as unknown as null, 'got undefined'],
  ['answers with parts of a millisecond', (afterMs: number) => afterMs + 0.5, 'whole milliseconds'],
] as const)
  test(`a rule that ${what} keeps no other from being stored and fired, and is told once`, async () => {
    const scene = createScene()
    const others = [every('urls', '1m', { task: tidy }), cron('hours', '@hourly', { task: tidy })]
    const broken = custom('broken', { next }, { task: tidy })
    await deployTo(scene, 1, broken, ...others)
    expect((await scene.broker.schedules()).schedules.map(({ name }) => name).sort()).toEqual(['hours', 'urls'])
    expect(scene.events).toEqual([{ kind: 'beat.broken', schedule: 'broken', reason: expect.stringContaining(reason) }])
    await scene.clock.advance(HOUR_MS)
    expect((await tick({ app: appWith(broken, ...others), ...scene })).fired).toBe(2)
  })

test('a rule that breaks later stays due, and goes on where it was once it is mended', async () => {
  const scene = createScene('2026-01-05T12:30:00Z')
  await deployTo(scene, 1, odd)
  await scene.clock.advance(HOUR_MS)
  const broken = custom(
    'odd',
    {
      next: () => {
        throw new Error('no moon')
      },
    },
    { task: tidy },
  )
  const urls = every('urls', '1m', { task: tidy })
  await deployTo(scene, 2, broken, urls)
  await scene.clock.advance(60_000)
  expect(await tick({ app: appWith(broken, urls), ...scene })).toMatchObject({ fired: 1 })
  expect(kindsOf(scene).filter((kind) => kind === 'beat.broken')).toHaveLength(1)
  expect((await tick({ app: appWith(odd), ...scene })).fired).toBe(1)
  expect(await dueTimesOf(scene.broker, 'odd')).toEqual(['2026-01-05T13:00:00.000Z'])
})

test('a version that is no whole number is refused', () => {
  const declare = () => custom('odd', oddHours, { task: tidy, version: 1.5 })
  expect(declare).toThrow(InvalidOption)
  expect(declare).toThrow('expected version of "odd" to be a whole number, got 1.5')
})
