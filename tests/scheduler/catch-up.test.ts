/** What becomes of due times that no beat was there for. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { type App, InvalidOption, type Schedule } from 'tq-edge'
import { at, cron, custom, deploySchedules, every, tick } from 'tq-edge/scheduler'
import { resumesAt } from '../../scheduler/catch-up.ts'
import type { Broker, Tick } from '../../src/broker.ts'
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
const DAY_MS = 86_400_000
const YEAR_MS = 366 * DAY_MS

let stamps = 0
const deployed = (scene: Scene, app: App) => deploySchedules({ app, stampMs: ++stamps, ...scene })

/** Stored, then left alone for so long, then fired in one pass, which counts its jobs alone. */
async function afterAnOutage(schedule: Schedule, outageMs: number, start?: string): Promise<Scene> {
  const scene = createScene(start)
  await deployed(scene, appWith(schedule))
  await scene.clock.advance(outageMs)
  const { fired } = await tick({ app: appWith(schedule), ...scene })
  expect(fired).toBe((await jobsOf(scene.broker)).length)
  return scene
}

const timesOf = async ({ broker }: Scene) => (await dueTimesOf(broker)).map((time) => time.slice(11, 19))
const missedIn = ({ events }: Scene) => events.filter((event) => event.kind === 'beat.missed')

test('with all, each missed due time is a job, in order, and says that it was missed and how late it is', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy, catchUp: 'all' }))
  const called: Tick[] = []
  const fire: Broker['fire'] = (ticks) => {
    called.push(...ticks)
    return scene.broker.fire(ticks)
  }
  await deployed(scene, app)
  await scene.clock.advance(4.5 * MINUTE_MS)
  const { fired, nextAtMs } = await tick({ app, ...scene, broker: { ...scene.broker, fire } })
  expect([fired, nextAtMs]).toEqual([4, Date.parse('2026-01-05T12:05:00Z')])
  const firstMs = Date.parse('2026-01-05T12:01:00Z')
  expect(await ticksOf(scene.broker)).toEqual(
    [0, 1, 2, 3].map((n) => ({
      schedule: 'urls',
      dueAtMs: firstMs + n * MINUTE_MS,
      lateMs: (3.5 - n) * MINUTE_MS,
      catchUp: n < 3,
    })),
  )
  expect(called.map(({ dueAtMs, job }) => [dueAtMs, job?.tick?.dueAtMs])).toEqual(
    [0, 1, 2, 3].map((n) => [firstMs + n * MINUTE_MS, firstMs + n * MINUTE_MS]),
  )
  expect(missedIn(scene)).toEqual([])
})

test('with latest, as by default, one job stands for all of them, however old', async () => {
  for (const catchUp of ['latest', undefined] as const) {
    const scene = await afterAnOutage(cron('daily', '0 13 1 * *', { task: tidy, catchUp }), 360 * DAY_MS)
    expect(await ticksOf(scene.broker)).toMatchObject([{ dueAtMs: Date.parse('2026-12-01T13:00Z'), catchUp: true }])
    expect(missedIn(scene)).toEqual([])
  }
})

test('with skip, what was missed is no job, the schedule goes on as usual, and it is told how many were left out', async () => {
  const hourly = cron('hourly', '0 * * * *', { task: tidy, catchUp: 'skip' })
  const scene = await afterAnOutage(hourly, 5.5 * 60 * MINUTE_MS)
  expect(await jobsOf(scene.broker)).toEqual([])
  expect((await scene.broker.schedules()).schedules[0]?.dueAtMs).toBe(Date.parse('2026-01-05T18:00Z'))
  expect(scene.events).toEqual([
    {
      kind: 'beat.missed',
      schedule: 'hourly',
      dueAtMs: Date.parse('2026-01-05T13:00Z'),
      nextDueAtMs: Date.parse('2026-01-05T18:00Z'),
      count: 5,
    },
  ])
  await scene.clock.advance(30 * MINUTE_MS)
  await tick({ app: appWith(hourly), ...scene })
  expect(await ticksOf(scene.broker)).toMatchObject([{ lateMs: 0, catchUp: false }])
})

for (const [late, fired] of [
  ['90 s', ['13:00:00']],
  ['91 s', []],
] as const)
  test(`with skip, one that is ${late} late is ${fired.length > 0 ? 'still on time' : 'missed'}`, async () => {
    const hourly = cron('hourly', '0 * * * *', { task: tidy, catchUp: 'skip' })
    const scene = await afterAnOutage(hourly, 60 * MINUTE_MS + Number.parseInt(late, 10) * 1_000)
    expect(await timesOf(scene)).toEqual([...fired])
  })

test('with skip, of a schedule of every second the latest is on time and no catch-up', async () => {
  const scene = await afterAnOutage(every('often', '1s', { task: tidy, catchUp: 'skip' }), 10 * MINUTE_MS + 300)
  expect(await ticksOf(scene.broker)).toMatchObject([{ lateMs: 300, catchUp: false }])
  expect(missedIn(scene)).toMatchObject([{ count: 599 }])
})

test('bounds of one’s own leave out what is too old, and of the rest all but the newest', async () => {
  const old = await afterAnOutage(
    every('urls', '1m', { task: tidy, catchUp: { maxAgeMs: 3 * MINUTE_MS } }),
    6.5 * MINUTE_MS,
  )
  expect(await timesOf(old)).toEqual(['12:04:00', '12:05:00', '12:06:00'])
  expect(missedIn(old)).toMatchObject([{ dueAtMs: Date.parse('2026-01-05T12:01Z'), count: 3 }])
  const many = await afterAnOutage(every('urls', '1m', { task: tidy, catchUp: { maxRuns: 2 } }), 6.5 * MINUTE_MS)
  expect(await timesOf(many)).toEqual(['12:05:00', '12:06:00'])
  expect(missedIn(many)).toMatchObject([{ count: 4 }])
})

test('all is at most the newest 1,000 of the last day', async () => {
  const hourly = await afterAnOutage(cron('hourly', '0 * * * *', { task: tidy, catchUp: 'all' }), 3 * DAY_MS)
  expect((await ticksOf(hourly.broker)).length).toBe(25)
  expect(missedIn(hourly)).toMatchObject([{ count: 47 }])
  const often = await afterAnOutage(cron('often', '* * * * * *', { task: tidy, catchUp: 'all' }), DAY_MS)
  const times = (await ticksOf(often.broker)).map(({ dueAtMs }) => dueAtMs)
  expect([times.length, times[0], times.at(-1)]).toEqual([1_000, often.clock.now() - 999_000, often.clock.now()])
  expect(missedIn(often)).toMatchObject([{ count: 1_000 }])
})

test('ten years of every second ask their rule some thousand times, and keep no other schedule waiting', async () => {
  const scene = createScene()
  let asked = 0
  const seconds = {
    next(afterMs: number) {
      asked++
      return (Math.floor(afterMs / 1_000) + 1) * 1_000
    },
  }
  const missed = custom('missed', seconds, { task: tidy, catchUp: 'all', input: 'x'.repeat(100_000) })
  const app = appWith(missed, every('other', '1h', { task: tidy }))
  const calls: string[][] = []
  const fire: Broker['fire'] = (ticks) => {
    calls.push(ticks.map(({ schedule }) => schedule))
    return ticks.length <= 1_000 ? scene.broker.fire(ticks) : Promise.reject(new Error(`${ticks.length} ticks`))
  }
  await deployed(scene, app)
  asked = 0
  await scene.clock.advance(10 * YEAR_MS)
  let fired = 0
  while (fired < 1_001) fired += (await tick({ app, ...scene, broker: { ...scene.broker, fire } })).fired
  expect(calls[0]?.[0]).toBe('other')
  expect(asked).toBeLessThan(40_000)
  expect((await ticksOf(scene.broker, 'missed')).at(0)?.dueAtMs).toBe(scene.clock.now() - 999_000)
})

test('a thousand schedules that have each missed a thousand are caught up with in rounds that fit in memory', async () => {
  const scene = createScene()
  const names = Array.from({ length: 1_000 }, (_, n) => `often-${n}`)
  const app = appWith(...names.map((name) => every(name, '1s', { task: tidy, catchUp: 'all' })))
  await deployed(scene, app)
  await scene.clock.advance(DAY_MS)
  let round = 0
  let most = 0
  const schedules: Broker['schedules'] = (query) => {
    round = 0
    return scene.broker.schedules(query)
  }
  const seen = new Map<string, number>()
  const fire: Broker['fire'] = async (ticks) => {
    round += ticks.length
    most = Math.max(most, round)
    for (const { schedule } of ticks) seen.set(schedule, (seen.get(schedule) ?? 0) + 1)
    return ticks.map(() => 'fired')
  }
  const { nextAtMs, nowMs } = await tick({ app, ...scene, broker: { ...scene.broker, schedules, fire } })
  expect(nextAtMs).toBe(nowMs)
  expect(most).toBe(20_000)
  expect(new Set(seen.values())).toEqual(new Set([100]))
})

test('a look-ahead goes on from what is caught up with, each due time once', async () => {
  const scene = createScene()
  const schedule = every('often', '5s', { task: tidy, catchUp: { maxRuns: 3 } })
  await deployed(scene, appWith(schedule))
  await scene.clock.advance(32_000)
  await tick({ app: appWith(schedule), ...scene, aheadMs: 10_000 })
  await tick({ app: appWith(schedule), ...scene, aheadMs: 10_000 })
  expect((await ticksOf(scene.broker)).map(({ lateMs, catchUp }) => [lateMs, catchUp])).toEqual([
    [12_000, true],
    [7_000, true],
    [2_000, false],
    [0, false],
    [0, false],
  ])
  expect(await timesOf(scene)).toEqual(['12:00:20', '12:00:25', '12:00:30', '12:00:35', '12:00:40'])
})

test('jitter, start, end and the number of runs bound what is caught up with', async () => {
  const bounds = { startAt: '2026-01-05T12:02Z', endAt: '2026-01-05T12:20Z', jitterMs: 30_000 }
  const schedule = every('urls', '1m', { task: tidy, ...bounds, maxRuns: 4, catchUp: 'all' })
  const scene = await afterAnOutage(schedule, 60 * MINUTE_MS)
  const times = (await ticksOf(scene.broker)).map(({ dueAtMs }) => dueAtMs)
  const startMs = Date.parse('2026-01-05T12:00Z')
  expect(times).toEqual(dueTimes(schedule, startMs, startMs + 60 * MINUTE_MS))
  expect(times).toHaveLength(4)
  expect((await scene.broker.schedules()).schedules[0]?.dueAtMs).toBeNull()
})

test('in nights whose clock is changed, each due time is caught up with once', async () => {
  for (const start of ['2026-03-28T20:30:00Z', '2026-10-24T20:30:00Z'])
    for (const pattern of ['30 * * * *', '0,30 2,3 * * *']) {
      const nightly = cron('nightly', pattern, { task: tidy, timezone: 'Europe/Oslo', catchUp: 'all' })
      const scene = await afterAnOutage(nightly, 12 * 60 * MINUTE_MS, start)
      const due = dueTimes(nightly, Date.parse(start), scene.clock.now())
      expect((await ticksOf(scene.broker)).map(({ dueAtMs }) => dueAtMs)).toEqual(due)
    }
})

test('what is due once is fired late or, with skip, not at all', async () => {
  const launch = (catchUp: 'skip' | 'all') => at('launch', '2026-01-05T13:00Z', { task: tidy, catchUp })
  expect(await timesOf(await afterAnOutage(launch('all'), 2 * 60 * MINUTE_MS))).toEqual(['13:00:00'])
  const skipped = await afterAnOutage(launch('skip'), 2 * 60 * MINUTE_MS)
  expect(await timesOf(skipped)).toEqual([])
  expect((await skipped.broker.schedules()).schedules[0]?.dueAtMs).toBeNull()
  expect(missedIn(skipped)).toMatchObject([{ count: 1, nextDueAtMs: null }])
})

test('an edited catchUp keeps the due time, and what has been missed by then is caught up with by it', async () => {
  const scene = createScene()
  await deployed(scene, appWith(every('urls', '1m', { task: tidy })))
  await scene.clock.advance(3.5 * MINUTE_MS)
  const app = appWith(every('urls', '1m', { task: tidy, catchUp: 'all' }))
  expect(await deployed(scene, app)).toMatchObject({ set: 1 })
  await tick({ app, ...scene })
  expect(await timesOf(scene)).toEqual(['12:01:00', '12:02:00', '12:03:00'])
})

test('beats on a bad line that come and go lose none and fire none twice', async () => {
  for (const seed of [1, 2, 3]) {
    const scene = createScene()
    const random = createRandom(seed)
    const schedules = [
      every('often', '5s', { task: tidy, catchUp: 'all' }),
      cron('tens', '*/10 * * * * *', { task: tidy, catchUp: { maxRuns: 100 } }),
    ]
    const app = appWith(...schedules)
    const startMs = scene.clock.now()
    await deployed(scene, app)
    const passes: Promise<unknown>[] = []
    const broker = unreliable(scene.broker, random)
    for (let step = 0; step < 40; step++) {
      const aheadMs = step % 3 === 0 ? 20_000 : 0
      for (let beat = 0; beat < 2; beat++) passes.push(tick({ app, ...scene, random, broker, aheadMs }).catch(() => {}))
      await scene.clock.advance(Math.floor(random() * 20_000))
    }
    await scene.clock.advance(60_000)
    await Promise.all(passes)
    await tick({ app, ...scene })
    for (const schedule of schedules) {
      const fired = (await ticksOf(scene.broker, schedule.name)).map(({ dueAtMs }) => dueAtMs)
      expect(fired).toEqual(dueTimes(schedule, startMs, scene.clock.now()))
    }
  }
})

test('a queue that is full keeps what is caught up with due, in order', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy, catchUp: 'all' }))
  await deployed(scene, app)
  await scene.clock.advance(4 * MINUTE_MS)
  let room = 3
  const fire: Broker['fire'] = async (ticks) => {
    const outcomes = await scene.broker.fire(ticks.slice(0, room))
    room = 0
    return ticks.map((_, n) => outcomes[n] ?? 'full')
  }
  const { fired, nextAtMs } = await tick({ app, ...scene, broker: { ...scene.broker, fire } })
  expect([fired, nextAtMs]).toEqual([3, scene.clock.now() + 1_000])
  await tick({ app, ...scene })
  expect(await timesOf(scene)).toEqual(['12:01:00', '12:02:00', '12:03:00', '12:04:00'])
})

for (const schedule of [
  every('seconds', '7s', { task: tidy }),
  cron('workdays', '*/20 8-16 * * 1-5', { task: tidy, timezone: 'America/New_York' }),
  cron('bursts', '*/5 * 3 1 * *', { task: tidy }),
])
  test(`where "${schedule.name}" goes on is what stepping through all its due times finds`, () => {
    const start = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) })
    const policy = fc.record({
      maxAgeMs: fc.integer({ min: 1_000, max: 5 * DAY_MS }),
      maxRuns: fc.integer({ min: 1, max: 50 }),
    })
    fc.assert(
      fc.property(start, fc.integer({ min: 0, max: 3 * DAY_MS }), policy, (afterMs, passedMs, bounds) => {
        const dueAtMs = schedule.next(afterMs) as number
        const nowMs = dueAtMs + (schedule.name === 'seconds' ? passedMs % 6_000_000 : passedMs)
        const due = [dueAtMs, ...dueTimes(schedule, dueAtMs, nowMs)]
        const kept = due.filter((time) => time >= nowMs - bounds.maxAgeMs).slice(-bounds.maxRuns)
        expect(resumesAt(schedule.next, dueAtMs, nowMs, bounds)).toBe(kept[0] ?? schedule.next(nowMs))
      }),
      { numRuns: 40, seed: 2026 },
    )
  })

for (const [wrong, says] of [
  ['newest', 'expected catchUp of "urls" to be "skip", "latest", "all" or { maxAgeMs, maxRuns }, got "newest"'],
  [true, 'got true'],
  [{ maxRuns: 0 }, 'expected maxRuns of catchUp of "urls" to be a whole number from 1 to 1000, got 0'],
  [{ maxRuns: 1_001 }, 'got 1001'],
  [{ maxAgeMs: 999 }, 'expected maxAgeMs of catchUp of "urls" to be a whole number from 1000 to 31622400000, got 999'],
  [{ maxAgeMs: Number.NaN }, 'got NaN'],
] as const)
  test(`catchUp: ${JSON.stringify(wrong)} is refused where it is declared`, () => {
    const declare = () => every('urls', '1m', { task: tidy, catchUp: wrong as never })
    expect(declare).toThrow(InvalidOption)
    expect(declare).toThrow(says)
  })
