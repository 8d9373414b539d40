import { expect, test } from 'bun:test'
import { type App, BrokerUnavailable, defineApp, defineTask } from 'tq-edge'
import { cron, deploySchedules, every, tick } from 'tq-edge/scheduler'
import type { Broker, Tick } from '../../src/broker.ts'
import { createVirtualClock } from '../support/clock.ts'
import { appWith, createScene, dueTimesOf, jobsOf, type Scene, ticksOf, tidy } from './support.ts'

const deployed = async (scene: Scene, app: App) => deploySchedules({ app, stampMs: 1, ...scene })

test('a tick becomes a job with what its schedule says, and says so', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy, input: [1], queue: 'checks', priority: 7 }))
  await deployed(scene, app)
  expect(await tick({ app, ...scene })).toMatchObject({ fired: 0, nextAtMs: Date.parse('2026-01-05T12:01:00Z') })
  await scene.clock.advance(60_250)
  expect(await tick({ app, ...scene })).toEqual({
    fired: 1,
    nextAtMs: Date.parse('2026-01-05T12:02:00Z'),
    nowMs: scene.clock.now(),
  })

  const dueAtMs = Date.parse('2026-01-05T12:01:00Z')
  const id = `urls:id-1:${dueAtMs}`
  expect(await jobsOf(scene.broker)).toMatchObject([
    {
      id,
      task: 'tidy',
      queue: 'checks',
      priority: 7,
      input: '[1]',
      state: 'queued',
      tick: { schedule: 'urls', dueAtMs, lateMs: 250, catchUp: false },
    },
  ])
  expect(scene.events).toEqual([
    { kind: 'beat.fired', schedule: 'urls', id, dueAtMs, lateMs: 250 },
    { kind: 'job.enqueued', id, task: 'tidy', queue: 'checks', by: 'beat' },
  ])
})

test('a pass that has nothing to fire asks the broker once', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy }))
  await deployed(scene, app)
  let calls = 0
  const schedules: Broker['schedules'] = (query) => {
    calls++
    return scene.broker.schedules(query)
  }
  await tick({ app, ...scene, broker: { ...scene.broker, schedules } })
  expect(calls).toBe(1)
})

test('an app without schedules has nothing to wake for', async () => {
  const scene = createScene()
  expect((await tick({ app: appWith(), ...scene })).nextAtMs).toBeNull()
})

test('the longest names still make a job id that a broker takes', async () => {
  const scene = createScene()
  const app = appWith(every('x'.repeat(140), '1m', { task: tidy }))
  await deploySchedules({ app, broker: scene.broker, stampMs: 1 })
  await scene.clock.advance(60_000)
  await tick({ app, ...scene })
  expect((await jobsOf(scene.broker))[0]?.id.length).toBeLessThanOrEqual(200)
})

test('of missed ticks the latest becomes a job, marked as a catch-up, and the schedule goes on after it', async () => {
  const scene = createScene()
  const app = appWith(cron('hourly', '0 * * * *', { task: tidy }))
  await deployed(scene, app)
  await scene.clock.advance(5.5 * 3_600_000)
  const { fired, nextAtMs } = await tick({ app, ...scene })
  expect({ fired, nextAtMs }).toEqual({ fired: 1, nextAtMs: Date.parse('2026-01-05T18:00:00Z') })
  expect(await ticksOf(scene.broker)).toEqual([
    { schedule: 'hourly', dueAtMs: Date.parse('2026-01-05T17:00:00Z'), lateMs: 1_800_000, catchUp: true },
  ])
})

test('a tick that is late but the only one is no catch-up', async () => {
  const scene = createScene()
  const app = appWith(cron('daily', '0 13 * * *', { task: tidy }))
  await deployed(scene, app)
  await scene.clock.advance(20 * 3_600_000)
  await tick({ app, ...scene })
  expect(await ticksOf(scene.broker)).toMatchObject([{ lateMs: 19 * 3_600_000, catchUp: false }])
})

test('a month without any beat costs a schedule of every second one job and no time', async () => {
  const scene = createScene()
  const app = appWith(cron('seconds', '* * * * * *', { task: tidy }), every('tenths', '100ms', { task: tidy }))
  await deployed(scene, app)
  await scene.clock.advance(30 * 86_400_000 + 150)
  expect((await tick({ app, ...scene })).fired).toBe(2)
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-02-04T12:00:00.000Z', '2026-02-04T12:00:00.100Z'])
})

test('a rule that has come to its end fires its last tick and is due no more', async () => {
  const scene = createScene()
  const app = appWith(cron('once', '0 0 13 5 1 * 2026', { task: tidy }))
  await deployed(scene, app)
  await scene.clock.advance(86_400_000)
  expect(await tick({ app, ...scene })).toMatchObject({ fired: 1, nextAtMs: null })
  expect((await scene.broker.schedules()).schedules[0]?.dueAtMs).toBeNull()
})

test('in a night whose clock jumps, a fixed time fires once', async () => {
  const scene = createScene('2026-03-28T20:00:00Z')
  const app = appWith(cron('nightly', '30 2 * * *', { task: tidy, timezone: 'Europe/Oslo' }))
  await deployed(scene, app)
  for (let hour = 0; hour < 48; hour++) {
    await scene.clock.advance(3_600_000)
    await tick({ app, ...scene })
  }
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
})

test('a beat whose clock is wrong fires neither early nor twice', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy }))
  const ahead = createVirtualClock(scene.clock.now() + 3_600_000)
  const behind = createVirtualClock(scene.clock.now() - 3_600_000)
  await deployed(scene, app)
  expect((await tick({ app, ...scene, clock: ahead })).fired).toBe(0)
  await scene.clock.advance(60_000)
  for (const clock of [ahead, behind, scene.clock]) await tick({ app, ...scene, clock })
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-01-05T12:01:00.000Z'])
})

test('a lost reply of fire is no second job: the resend reads as done', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy }))
  await deployed(scene, app)
  await scene.clock.advance(60_000)
  let lost = 0
  const fire: Broker['fire'] = async (ticks) => {
    const outcomes = await scene.broker.fire(ticks)
    if (lost++ === 0) throw new BrokerUnavailable('test', 'a lost reply')
    return outcomes
  }
  const passed = tick({ app, ...scene, broker: { ...scene.broker, fire } })
  await scene.clock.advance(1_000)
  expect((await passed).nextAtMs).toBe(Date.parse('2026-01-05T12:02:00Z'))
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-01-05T12:01:00.000Z'])
})

test('a schedule that changes between reading and firing is read again', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy, input: 'old' }))
  await deployed(scene, app)
  await scene.clock.advance(60_000)
  const fire = async (ticks: readonly Tick[]) => {
    const edited = appWith(every('urls', '1m', { task: tidy, input: 'new' }))
    await deploySchedules({ app: edited, stampMs: 2, ...scene })
    return scene.broker.fire(ticks)
  }
  expect((await tick({ app, ...scene, broker: { ...scene.broker, fire } })).fired).toBe(1)
  expect(await jobsOf(scene.broker)).toMatchObject([{ input: '"new"' }])
})

test('a broker that always says moved is not asked without end', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy }))
  await deployed(scene, app)
  await scene.clock.advance(60_000)
  const fire: Broker['fire'] = async (ticks) => ticks.map(() => 'moved')
  const { fired, nextAtMs, nowMs } = await tick({ app, ...scene, broker: { ...scene.broker, fire } })
  expect({ fired, nextAtMs }).toEqual({ fired: 0, nextAtMs: nowMs })
})

test('a schedule whose task the app lacks neither fires nor moves on, and hides no other', async () => {
  const scene = createScene()
  const mail = defineTask({ name: 'mail', run: () => {} })
  const both = { name: 'shop', schedules: [every('mails', '1m', { task: mail }), every('urls', '2m', { task: tidy })] }
  await deployed(scene, defineApp({ ...both, tasks: [mail, tidy] }))
  await scene.clock.advance(60_000)
  const lacking = appWith()
  expect(await tick({ app: lacking, ...scene })).toMatchObject({
    fired: 0,
    nextAtMs: Date.parse('2026-01-05T12:02:00Z'),
  })
  expect(scene.events).toEqual([{ kind: 'beat.unknown', schedule: 'mails', task: 'mail' }])
  await scene.clock.advance(60_000)
  expect((await tick({ app: lacking, ...scene })).fired).toBe(1)
  expect((await tick({ app: defineApp({ ...both, tasks: [mail, tidy] }), ...scene })).fired).toBe(1)
  expect(await ticksOf(scene.broker, 'mails')).toMatchObject([{ catchUp: true }])
})

test('a schedule whose definition this version cannot read neither fires nor moves on', async () => {
  const scene = createScene()
  const dueAtMs = scene.clock.now()
  const change = { kind: 'set', name: 'sun', app: 'shop', dueAtMs, incarnation: 'i', stampMs: 1 } as const
  await scene.broker.setSchedules([{ ...change, definition: '{"v":2}' }])
  expect(await tick({ app: appWith(), ...scene })).toMatchObject({ fired: 0, nextAtMs: null })
  expect(scene.events).toEqual([{ kind: 'beat.unknown', schedule: 'sun', task: '' }])
  expect((await scene.broker.schedules()).schedules[0]?.dueAtMs).toBe(dueAtMs)
})

test("another app's schedules are not this one's to fire", async () => {
  const scene = createScene()
  const other = defineApp({ name: 'other', tasks: [tidy], schedules: [every('theirs', '1m', { task: tidy })] })
  await deployed(scene, other)
  await scene.clock.advance(60_000)
  expect(await tick({ app: appWith(), ...scene })).toMatchObject({ fired: 0, nextAtMs: null })
})

test('more schedules than one call may carry, with inputs that fill it, all fire', async () => {
  const scene = createScene()
  const small = Array.from({ length: 1_200 }, (_, at) => every(`small-${at}`, '1m', { task: tidy }))
  const large = Array.from({ length: 6 }, (_, at) =>
    every(`large-${at}`, '1m', { task: tidy, input: 'x'.repeat(900_000) }),
  )
  const app = appWith(...small, ...large)
  const sizes: number[] = []
  const fire: Broker['fire'] = (ticks) => {
    sizes.push(ticks.length)
    expect(ticks.reduce((sum, { job }) => sum + (job?.input.length ?? 0), 0)).toBeLessThanOrEqual(4_000_000)
    return scene.broker.fire(ticks)
  }
  await deployed(scene, app)
  await scene.clock.advance(60_000)
  expect((await tick({ app, ...scene, broker: { ...scene.broker, fire } })).fired).toBe(1_206)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000)
})

test('a tick whose queue is full is tried again a second later, not in a loop', async () => {
  const scene = createScene()
  const app = appWith(every('urls', '1m', { task: tidy }))
  await deployed(scene, app)
  await scene.clock.advance(60_000)
  let calls = 0
  const fire: Broker['fire'] = async (ticks) => {
    calls++
    return ticks.map(() => 'full')
  }
  const report = await tick({ app, ...scene, broker: { ...scene.broker, fire } })
  expect([report, calls]).toEqual([{ fired: 0, nextAtMs: scene.clock.now() + 1_000, nowMs: scene.clock.now() }, 1])
  expect(scene.events).toEqual([])
})
