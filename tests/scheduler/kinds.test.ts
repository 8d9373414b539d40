/** Each kind of schedule from its declaration to its jobs, over restarts of the beat. */
import { expect, test } from 'bun:test'
import type { Schedule } from 'tq-edge'
import { at, cron, deploySchedules, every, tick } from 'tq-edge/scheduler'
import { appWith, createScene, dueTimesOf, type Scene, tidy } from './support.ts'

const MINUTE_MS = 60_000

/** A process that deploys the schedule, fires what is due every minute, and ends. */
async function runFor(scene: Scene, schedule: Schedule, minutes: number): Promise<void> {
  const app = appWith(schedule)
  await deploySchedules({ app, ...scene, stampMs: scene.clock.now() })
  for (let minute = 0; minute < minutes; minute++) {
    await scene.clock.advance(MINUTE_MS)
    await tick({ app, ...scene })
  }
}

const timesOf = async ({ broker }: Scene) => (await dueTimesOf(broker)).map((time) => time.slice(11, 19))

test('what is due once is fired once, also when it is deployed again', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const launch = at('launch', '2026-01-05T12:02Z', { task: tidy })
  for (let run = 0; run < 3; run++) await runFor(scene, launch, 2)
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-01-05T12:02:00.000Z'])
})

test('what was due once before it was stored is never due, and what falls due while no beat runs is fired later', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  await runFor(scene, at('late', '2026-01-05T12:00Z', { task: tidy }), 5)
  expect(await dueTimesOf(scene.broker)).toEqual([])
  const missed = at('missed', '2026-01-05T12:07Z', { task: tidy })
  await runFor(scene, missed, 0)
  await scene.clock.advance(60 * MINUTE_MS)
  await runFor(scene, missed, 1)
  expect(await timesOf(scene)).toEqual(['12:07:00'])
})

test('an interval aligned to the first is counted from when it was first stored, over restarts and outages', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const schedule = () => every('urls', '3m', { task: tidy, align: 'first' })
  await runFor(scene, schedule(), 4)
  await runFor(scene, schedule(), 4)
  await scene.clock.advance(7 * MINUTE_MS)
  await runFor(scene, schedule(), 4)
  expect(await timesOf(scene)).toEqual(['12:03:30', '12:06:30', '12:15:30', '12:18:30'])
})

test('with jitter it keeps its pace as well', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  await runFor(scene, every('urls', '3m', { task: tidy, align: 'first', jitterMs: 100_000 }), 20)
  const times = (await dueTimesOf(scene.broker)).map((time) => Date.parse(time))
  expect(times.length).toBeGreaterThanOrEqual(5)
  expect(times.map((time, at) => time - (times[0] ?? 0) - at * 3 * MINUTE_MS)).toEqual(times.map(() => 0))
})

test('one that is no longer enabled is stored but not due; enabled again, what it missed is not made up for', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const urls = (enabled: boolean) => every('urls', '2m', { task: tidy, enabled })
  await runFor(scene, urls(true), 3)
  await runFor(scene, urls(false), 6)
  expect((await scene.broker.schedules()).schedules.map(({ name, dueAtMs }) => [name, dueAtMs])).toEqual([
    ['urls', null],
  ])
  await runFor(scene, urls(true), 2)
  expect(await timesOf(scene)).toEqual(['12:02:00', '12:10:00'])
})

test('one of so many runs ends after them, over restarts and with any number of beats; what was missed counts', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const schedule = () => every('urls', '1m', { task: tidy, startAt: '2026-01-05T12:01Z', maxRuns: 6 })
  await runFor(scene, schedule(), 2)
  await Promise.all([runFor(scene, schedule(), 0), runFor(scene, schedule(), 0)])
  await scene.clock.advance(MINUTE_MS)
  await Promise.all([1, 2, 3].map(() => tick({ app: appWith(schedule()), ...scene })))
  await scene.clock.advance(2 * MINUTE_MS)
  await runFor(scene, schedule(), 5)
  expect(await timesOf(scene)).toEqual(['12:01:00', '12:02:00', '12:03:00', '12:06:00'])
  expect((await scene.broker.schedules()).schedules[0]?.dueAtMs).toBeNull()
})

test('one that has ended goes on when its end is moved, and nothing is fired after its end', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const urls = (endAt: string) => cron('urls', '* * * * *', { task: tidy, endAt })
  await runFor(scene, urls('2026-01-05T12:02Z'), 5)
  await runFor(scene, urls('2026-01-05T12:06:59Z'), 5)
  expect(await timesOf(scene)).toEqual(['12:01:00', '12:02:00', '12:06:00'])
})

test('an interval aligned to the first keeps its pace when another input takes back what was looked ahead', async () => {
  const scene = createScene('2026-01-05T12:00:30Z')
  const urls = (input: string) => every('urls', '3m', { task: tidy, align: 'first', input })
  await runFor(scene, urls('a'), 4)
  await tick({ app: appWith(urls('a')), ...scene, aheadMs: 10 * MINUTE_MS })
  await runFor(scene, urls('b'), 5)
  expect(await timesOf(scene)).toEqual(['12:03:30', '12:06:30', '12:09:30'])
})
