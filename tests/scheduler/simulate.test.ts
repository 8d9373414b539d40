/** What would be fired, against what is fired. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Schedule } from 'tq-edge'
import { cron, custom, deploySchedules, every, tick } from 'tq-edge/scheduler'
import { type SimulateOptions, type Simulation, simulate } from '../../scheduler/simulate.ts'
import { appWith, createScene, dueTimesOf, tidy } from './support.ts'

const MINUTE_MS = 60_000
const START_MS = Date.parse('2026-01-05T12:00:00Z')

/** From noon on, in minutes. */
const minutes = (from: number, until: number) => ({
  fromMs: START_MS + from * MINUTE_MS,
  untilMs: START_MS + until * MINUTE_MS,
})

function simulated(schedules: readonly Schedule[], options: Partial<SimulateOptions> = {}): Simulation {
  return simulate(schedules, { ...minutes(0, 10), most: 1_000, ...options })
}

const told = ({ ticks }: Simulation) =>
  ticks.map(({ schedule, dueAtMs, reason }) => `${schedule} ${(dueAtMs - START_MS) / MINUTE_MS} ${reason}`)

test('the ticks of all schedules come in due order, from the start on and up to just before the end', () => {
  const two = every('two', '2m', { task: tidy })
  const three = every('three', '3m', { task: tidy })
  expect(told(simulated([three, two], minutes(0, 6)))).toEqual([
    'three 0 plain',
    'two 0 plain',
    'two 2 plain',
    'three 3 plain',
    'two 4 plain',
  ])
})

test('while no beat runs nothing is fired, and then what the schedule catches up', () => {
  const down = [minutes(1.5, 4.5)]
  const urls = (catchUp: 'latest' | 'skip' | 'all') =>
    simulated([every('urls', '1m', { task: tidy, catchUp })], { ...minutes(0, 6), down })
  const [before, after] = [['urls 0 plain', 'urls 1 plain'], 'urls 5 plain']
  expect(told(urls('latest'))).toEqual([...before, 'urls 4 catch-up: fired 30 s late, one job for 3 due times', after])
  expect(told(urls('all'))).toEqual([
    ...before,
    'urls 2 catch-up: fired 150 s late',
    'urls 3 catch-up: fired 90 s late',
    'urls 4 catch-up: fired 30 s late',
    after,
  ])
  expect(told(urls('skip'))).toEqual([
    ...before,
    'urls 4 catch-up: fired 30 s late; catch-up: 2 before it left out',
    after,
  ])
})

test('what is left out altogether is told with the tick that follows', () => {
  const hourly = cron('hourly', '0 * * * *', { task: tidy, catchUp: 'skip' })
  expect(told(simulated([hourly], { ...minutes(1, 301), down: [minutes(30, 230)] }))).toEqual([
    'hourly 240 catch-up: 3 before it left out',
    'hourly 300 plain',
  ])
})

test('an interval that is counted from when it is first stored is counted from the start', () => {
  expect(told(simulated([every('urls', '4m', { task: tidy, align: 'first' })]))).toEqual([
    'urls 4 align: counted from the start of the simulation',
    'urls 8 align: counted from the start of the simulation',
  ])
})

test('of too many the earliest of all schedules are told, without looking at the others', () => {
  let calls = 0
  const counted: Schedule['next'] = (afterMs) => {
    calls++
    return afterMs + 1
  }
  const often = ['a', 'b', 'c'].map((name) => custom(name, { next: counted }, { task: tidy }))
  const { ticks, cut } = simulated([...often, every('urls', '1m', { task: tidy })], { most: 10 })
  expect(cut).toBe(true)
  expect(ticks.map(({ dueAtMs }) => dueAtMs - START_MS)).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
  expect(calls).toBeLessThan(100)
  expect(simulated([every('urls', '1m', { task: tidy })], { most: 10 })).toMatchObject({ cut: false })
})

test('a rule that is broken keeps no other from being told, and is not fired where it cannot tell what comes next', () => {
  const broken = custom(
    'broken',
    { next: (afterMs) => (afterMs < START_MS + 1 ? afterMs + 1 : afterMs) },
    { task: tidy },
  )
  const { ticks, broken: found } = simulated([broken, every('urls', '6m', { task: tidy })])
  expect(ticks.map(({ schedule }) => schedule)).toEqual(['broken', 'urls', 'urls'])
  expect(found).toEqual([{ schedule: 'broken', reason: expect.stringContaining('got 17') }])
})

test('it tells what a beat fires that looks every second, but for an outage', async () => {
  const interval = fc.constantFrom('1m', '90s', '7m', '11s')
  const catchUp = fc.oneof(
    fc.constantFrom('latest' as const, 'skip' as const, 'all' as const),
    fc.record({ maxAgeMs: fc.integer({ min: 1_000, max: 900_000 }), maxRuns: fc.integer({ min: 1, max: 9 }) }),
  )
  const jitterMs = fc.integer({ min: 0, max: 120_000 })
  const outage = fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 1, max: 900 }))
  const options = fc.record({ interval, catchUp, jitterMs, outage })
  await fc.assert(
    fc.asyncProperty(options, async ({ interval, catchUp, jitterMs, outage: [startS, lengthS] }) => {
      const schedule = every('urls', interval, { task: tidy, catchUp, jitterMs })
      const app = appWith(schedule)
      const scene = createScene(new Date(START_MS - 1).toISOString())
      const down = { fromMs: START_MS + startS * 1_000, untilMs: START_MS + (startS + lengthS) * 1_000 }
      await deploySchedules({ app, ...scene, stampMs: 1 })
      for (let second = 0; second < 1_800; second++) {
        await scene.clock.advance(START_MS + second * 1_000 - scene.clock.now())
        const nowMs = scene.clock.now()
        if (nowMs < down.fromMs || nowMs >= down.untilMs) await tick({ app, ...scene })
      }
      const { ticks } = simulated([schedule], { ...minutes(0, 30), down: [down] })
      const untilMs = START_MS + 1_799_000
      const expected = ticks.map(({ dueAtMs }) => dueAtMs).filter((dueAtMs) => dueAtMs <= untilMs)
      expect(expected.map((ms) => new Date(ms).toISOString())).toEqual(await dueTimesOf(scene.broker))
    }),
    { numRuns: 25, seed: 2026 },
  )
}, 60_000)
