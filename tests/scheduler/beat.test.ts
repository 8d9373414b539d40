import { expect, test } from 'bun:test'
import { BrokerUnavailable, InvalidOption, type Schedule } from 'tq-edge'
import { at, type Beat, createBeat, cron, deploySchedules, every, tick } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { createVirtualClock, settled } from '../support/clock.ts'
import { appWith, createRandom, createScene, dueTimes, dueTimesOf, ticksOf, tidy, unreliable } from './support.ts'

const urls = every('urls', '1m', { task: tidy })

/** The loop comes to rest between steps, so that no due time passes while a call is under way. */
async function pass(clock: { advance(ms: number): Promise<void> }, ms: number, stepMs = 1_000): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
    await clock.advance(stepMs)
    await settled()
  }
}

async function stopAll(beats: readonly { beat: Beat; running: Promise<void> }[]): Promise<void> {
  for (const { beat } of beats) beat.stop()
  await Promise.all(beats.map(({ running }) => running))
}

function start(options: Parameters<typeof createBeat>[0]): { beat: Beat; running: Promise<void> } {
  const beat = createBeat(options)
  return { beat, running: beat.run() }
}

test('a beat stores the schedules, fires each when it is due, and says so', async () => {
  const scene = createScene()
  const { beat, running } = start({ app: appWith(urls), ...scene })
  await pass(scene.clock, 150_000)
  beat.stop()
  await running
  expect(await ticksOf(scene.broker)).toEqual([
    { schedule: 'urls', dueAtMs: Date.parse('2026-01-05T12:01:00Z'), lateMs: 0, catchUp: false },
    { schedule: 'urls', dueAtMs: Date.parse('2026-01-05T12:02:00Z'), lateMs: 0, catchUp: false },
  ])
  expect(scene.events.map(({ kind }) => kind)).toEqual([
    'beat.started',
    'beat.fired',
    'job.enqueued',
    'beat.fired',
    'job.enqueued',
    'beat.stopped',
  ])
})

for (const beats of [1, 2, 3, 4, 5])
  test(`each due time becomes one job with ${beats} racing on a bad line`, async () => {
    for (const seed of [1, 2, 3]) {
      const scene = createScene()
      const schedules = [every('tens', '10s', { task: tidy }), cron('minutes', '* * * * *', { task: tidy })]
      const startMs = scene.clock.now()
      const running = Array.from({ length: beats }, (_, at) => {
        const random = createRandom(100 * seed + at)
        return start({ app: appWith(...schedules), ...scene, random, broker: unreliable(scene.broker, random) })
      })
      await pass(scene.clock, 185_000)
      await stopAll(running)
      for (const schedule of schedules) {
        const fired = (await ticksOf(scene.broker, schedule.name)).map(({ dueAtMs }) => dueAtMs)
        expect(fired).toEqual(dueTimes(schedule, startMs, startMs + 185_000))
      }
      const told = scene.events.flatMap((event) => (event.kind === 'beat.fired' ? [event.id] : []))
      expect(told).toEqual([...new Set(told)])
      expect(scene.events.filter(({ kind }) => kind === 'beat.unknown' || kind === 'broker.failed')).toEqual([])
    }
  })

test('a tick that falls due while the beat leaves the broker to others is fired within 7 ms', async () => {
  const scene = createScene()
  const dueMs = scene.clock.now() + 1_000
  const schedules = [0, 1, 2].map((ms) => at(`at-${ms}`, new Date(dueMs + ms), { task: tidy }))
  const beat = start({ app: appWith(...schedules), ...scene })
  await pass(scene.clock, 990, 10)
  await pass(scene.clock, 30, 1)
  await stopAll([beat])
  expect((await ticksOf(scene.broker)).map(({ lateMs }) => lateMs)).toEqual([0, 6, 5])
})

/** The same broker as a store without hints is, or one whose hints cannot be had. */
const withoutHints = ({ wake: _, ...broker }: Broker): Broker => broker

test('a beat sleeps until something is due: a schedule that is far off costs two looks a minute without hints', async () => {
  const scene = createScene()
  let looks = 0
  const schedules: Broker['schedules'] = (query) => {
    looks++
    return scene.broker.schedules(query)
  }
  const app = appWith(cron('yearly', '@yearly', { task: tidy }))
  const broker = { ...withoutHints(scene.broker), schedules }
  const { beat, running } = start({ app, ...scene, stampMs: 1, broker })
  await settled()
  looks = 0
  await pass(scene.clock, 600_000, 30_000)
  expect(looks).toBe(20)
  beat.stop()
  await running
})

test('without hints a beat sees within half a minute what others have deployed', async () => {
  const scene = createScene()
  const { beat, running } = start({ app: appWith(), stampMs: 1, ...scene, broker: withoutHints(scene.broker) })
  await pass(scene.clock, 45_000)
  await deploySchedules({ app: appWith(every('tens', '10s', { task: tidy })), stampMs: 2, ...scene })
  await pass(scene.clock, 30_000)
  beat.stop()
  await running
  expect(await dueTimesOf(scene.broker)).toContain('2026-01-05T12:01:10.000Z')
})

test('a beat that starts late fires the latest of what was missed', async () => {
  const scene = createScene()
  await deploySchedules({ app: appWith(urls), stampMs: 1, ...scene })
  await scene.clock.advance(3_600_500)
  const { beat, running } = start({ app: appWith(urls), ...scene })
  await settled()
  beat.stop()
  await running
  expect(await ticksOf(scene.broker)).toEqual([
    { schedule: 'urls', dueAtMs: Date.parse('2026-01-05T13:00:00Z'), lateMs: 500, catchUp: true },
  ])
})

test('an outage is told and does not end the beat; what fell due meanwhile is fired after it', async () => {
  const scene = createScene()
  let down = false
  const orDown = <T>(run: () => Promise<T>) => (down ? Promise.reject(new BrokerUnavailable('test', 'nothing')) : run())
  const broker: Broker = {
    ...scene.broker,
    schedules: (query) => orDown(() => scene.broker.schedules(query)),
    fire: (ticks) => orDown(() => scene.broker.fire(ticks)),
  }
  const { beat, running } = start({ app: appWith(urls), ...scene, broker })
  await pass(scene.clock, 30_000)
  down = true
  await pass(scene.clock, 120_000)
  expect(scene.events.filter(({ kind }) => kind === 'broker.failed').length).toBeGreaterThan(1)
  down = false
  await pass(scene.clock, 10_000)
  beat.stop()
  await running
  expect(await ticksOf(scene.broker)).toMatchObject([{ dueAtMs: Date.parse('2026-01-05T12:02:00Z'), catchUp: true }])
})

test('a beat that starts in an outage deploys once it is over', async () => {
  const scene = createScene()
  let down = true
  const setSchedules: Broker['setSchedules'] = (changes) =>
    down ? Promise.reject(new BrokerUnavailable('test', 'nothing')) : scene.broker.setSchedules(changes)
  const { beat, running } = start({ app: appWith(urls), ...scene, broker: { ...scene.broker, setSchedules } })
  await pass(scene.clock, 60_000)
  down = false
  await pass(scene.clock, 10_000)
  beat.stop()
  await running
  const [stored] = (await scene.broker.schedules()).schedules
  // The version is as old as the start, however late its deploy comes through.
  expect(stored?.stampMs).toBe(Date.parse('2026-01-05T12:00:00Z'))
})

test('stop ends a sleeping beat at once, and one that resends', async () => {
  const scene = createScene()
  const sleeping = start({ app: appWith(urls), ...scene })
  const fail = () => Promise.reject(new BrokerUnavailable('test', 'nothing'))
  const resending = start({ app: appWith(urls), ...scene, broker: { ...scene.broker, schedules: fail } })
  await settled()
  await stopAll([sleeping, resending])
  expect(scene.clock.monotonic()).toBe(0)
})

test('a beat that was stopped before it ran stores nothing', async () => {
  const scene = createScene()
  const beat = createBeat({ app: appWith(urls), ...scene })
  beat.stop()
  await beat.run()
  expect((await scene.broker.schedules()).schedules).toEqual([])
})

test('a beat whose own clock is a day ahead fires on time, and keeps no later version out', async () => {
  const scene = createScene()
  const wrong = { ...scene.clock, now: () => scene.clock.now() + 86_400_000 }
  const first = start({ app: appWith(urls), ...scene, clock: wrong })
  await pass(scene.clock, 61_000)
  const second = start({ app: appWith(every('urls', '30s', { task: tidy })), ...scene })
  await pass(scene.clock, 59_000)
  await stopAll([first, second])
  expect(await dueTimesOf(scene.broker)).toEqual([
    '2026-01-05T12:01:00.000Z',
    '2026-01-05T12:01:30.000Z',
    '2026-01-05T12:02:00.000Z',
  ])
})

test('a beat whose clock steps back and forth keeps its pace', async () => {
  const scene = createScene()
  const own = createVirtualClock(scene.clock.now())
  const { beat, running } = start({ app: appWith(urls), ...scene, clock: own })
  for (let second = 0; second < 125; second++) {
    own.stepWall(second % 2 === 0 ? -7_200_000 : 7_200_000)
    await scene.clock.advance(1_000)
    await own.advance(1_000)
  }
  beat.stop()
  await running
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-01-05T12:01:00.000Z', '2026-01-05T12:02:00.000Z'])
})

test('an unknown schedule is said once per beat, and is no reason to hurry', async () => {
  const scene = createScene()
  const change = { kind: 'set', name: 'sun', app: 'shop', incarnation: 'i', stampMs: 1 } as const
  await scene.broker.setSchedules([{ ...change, dueAtMs: scene.clock.now(), definition: '{"v":2}' }])
  let looks = 0
  const schedules: Broker['schedules'] = (query) => {
    looks++
    return scene.broker.schedules(query)
  }
  const { beat, running } = start({ app: appWith(), stampMs: 0, ...scene, broker: { ...scene.broker, schedules } })
  await pass(scene.clock, 120_000, 10_000)
  beat.stop()
  await running
  expect(scene.events.filter(({ kind }) => kind === 'beat.unknown')).toHaveLength(1)
  expect(looks).toBeLessThanOrEqual(12)
})

test('a mistake in the code is not taken for an outage', async () => {
  const scene = createScene()
  const broken: Schedule = {
    ...urls,
    next: () => {
      throw new RangeError('a bug')
    },
  }
  await expect(createBeat({ app: appWith(broken), ...scene }).run()).rejects.toThrow('a bug')
})

test('a beat runs once', async () => {
  const scene = createScene()
  const { beat, running } = start({ app: appWith(), ...scene })
  await expect(beat.run()).rejects.toThrow(InvalidOption)
  beat.stop()
  await running
})

test('a listener that throws ends no beat', async () => {
  const scene = createScene()
  const onEvent = () => {
    throw new Error('the log is full')
  }
  const { beat, running } = start({ app: appWith(urls), ...scene, onEvent })
  running.catch(() => {})
  await pass(scene.clock, 120_000)
  beat.stop()
  await running
  expect(await ticksOf(scene.broker)).toHaveLength(2)
})

test('a schedule whose queue is full delays no other', async () => {
  const scene = createScene()
  const full: Broker = {
    ...scene.broker,
    async fire(ticks) {
      const outcomes = await scene.broker.fire(ticks.filter(({ schedule }) => schedule !== 'stuck'))
      let at = 0
      return ticks.map(({ schedule }) => (schedule === 'stuck' ? 'full' : (outcomes[at++] ?? 'moved')))
    },
  }
  const app = appWith(every('stuck', '1s', { task: tidy }), every('often', '100ms', { task: tidy }))
  const { beat, running } = start({ app, ...scene, broker: full })
  await pass(scene.clock, 9_000, 10)
  beat.stop()
  await running
  const fired = scene.events.filter((event) => event.kind === 'beat.fired')
  expect(fired.length).toBeGreaterThanOrEqual(88)
})

test('a beat tells once a minute that it is there, however often it looks, and a single pass tells as well', async () => {
  const scene = createScene()
  const { broker } = scene
  let told = 0
  const schedules: Broker['schedules'] = (query) => {
    if (query?.presence) told++
    return broker.schedules(query)
  }
  const given = { ...scene, runtime: 'bun 1.4.5', broker: { ...broker, schedules } }
  const { beat, running } = start({ app: appWith(every('often', '1s', { task: tidy })), ...given })
  const startedAtMs = scene.clock.now()
  await pass(scene.clock, 181_500, 500)
  expect(told).toBe(4)
  beat.stop()
  await running
  await tick({ app: appWith(), ...given, name: 'edge' })
  expect(await broker.beats()).toMatchObject([
    { beat: 'edge', app: 'shop', runtime: 'bun 1.4.5', agoMs: 0 },
    { beat: 'beat.id-1', app: 'shop', runtime: 'bun 1.4.5', startedAtMs },
  ])
})

test('a beat tells that it is there as soon as an outage is over in which it could not', async () => {
  const scene = createScene()
  const { broker, clock } = scene
  let isDown = false
  const schedules: Broker['schedules'] = (query) => {
    if (isDown) return Promise.reject(new BrokerUnavailable('test', 'nothing'))
    return broker.schedules(query)
  }
  const app = appWith(every('often', '1s', { task: tidy }))
  const { beat, running } = start({ app, ...scene, broker: { ...broker, schedules } })
  await pass(clock, 59_000, 500)
  isDown = true
  await pass(clock, 21_000, 500)
  isDown = false
  await pass(clock, 10_000, 500)
  expect((await broker.beats())[0]?.agoMs).toBeLessThanOrEqual(10_000)
  beat.stop()
  await running
})
