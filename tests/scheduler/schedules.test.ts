import { expect, test } from 'bun:test'
import {
  BrokerUnavailable,
  defineApp,
  defineTask,
  InvalidInput,
  QueueFull,
  type ScheduleData,
  ScheduleNotFound,
  ScheduleUnreadable,
  UnknownTask,
} from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { at, createSchedules, cron, custom, deploySchedules, every, tick } from 'tq-edge/scheduler'
import * as v from 'valibot'
import type { Broker, ScheduleChange } from '../../src/broker.ts'
import { appWith, createRandom, createScene, dueTimesOf, jobsOf, tidy, unreliable } from './support.ts'

const NOON = '2026-01-05T12:00:00Z' // a Monday

const hourly: ScheduleData = { name: 'report', task: 'tidy', rule: { kind: 'cron', pattern: '0 * * * *' } }
const often = (name: string, everyMs = 60_000): ScheduleData => ({
  name,
  task: 'tidy',
  rule: { kind: 'every', everyMs },
})

function createClientScene(app = appWith()) {
  const scene = createScene(NOON)
  return { ...scene, app, schedules: createSchedules({ ...scene, app }) }
}

test('a schedule that is added is told of as it is stored, and a beat fires it', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  const added = await schedules.add({
    ...hourly,
    input: { to: 'a' },
    queue: 'mail',
    priority: 3,
    catchUp: 'skip',
    overlap: 'skip',
    pingUrl: 'https://ping.example/1',
  })
  expect(added).toEqual({
    name: 'report',
    app: 'shop',
    task: 'tidy',
    input: { to: 'a' },
    inputBy: null,
    queue: 'mail',
    priority: 3,
    rule: { kind: 'cron', pattern: '0 * * * *', timezone: 'UTC' },
    catchUp: { maxAgeMs: 90_000, maxRuns: 1 },
    overlap: 'skip',
    pingUrl: 'https://ping.example/1',
    paused: false,
    origin: 'runtime',
    overridden: false,
    revision: 1,
    dueAtMs: Date.parse('2026-01-05T13:00:00Z'),
    lastDueAtMs: null,
    lagMs: 0,
  })
  expect(await schedules.get('report')).toEqual(added)
  await clock.advance(3_600_000)
  expect((await tick({ clock, ...scene })).fired).toBe(1)
  expect(await jobsOf(scene.broker)).toMatchObject([{ task: 'tidy', queue: 'mail', input: '{"to":"a"}', priority: 3 }])
})

for (const [kind, declared, rule] of [
  [
    'cron',
    cron('x', 'TZ=Asia/Tokyo 0 7 * * *', { task: tidy, endAt: '2027-01-01T00:00Z' }),
    { kind: 'cron', pattern: '0 7 * * *', timezone: 'Asia/Tokyo', endAtMs: Date.UTC(2027, 0) },
  ],
  [
    'every',
    every('x', '7m', { task: tidy, align: 'first', jitterMs: 1_000 }),
    { kind: 'every', everyMs: 420_000, align: 'first', jitterMs: 1_000 },
  ],
  ['at', at('x', '2026-02-01T00:00Z', { task: tidy }), { kind: 'at', atMs: Date.UTC(2026, 1) }],
  ['off', every('x', '1h', { task: tidy, enabled: false }), { kind: 'every', everyMs: 3_600_000, enabled: false }],
] as const)
  test(`declared by code or given as data, ${kind} is the same schedule`, async () => {
    const { schedules } = createClientScene()
    const byCode = await schedules.add(declared)
    expect(byCode.rule).toEqual(rule as never)
    expect(await schedules.set({ name: 'x', task: 'tidy', rule })).toEqual(byCode)
  })

test('a name that is taken cannot be added, by whichever app it is taken', async () => {
  const { schedules, ...scene } = createClientScene()
  await schedules.add(hourly)
  await expect(schedules.add(hourly)).rejects.toMatchObject({ name: 'ScheduleExists', schedule: 'report', app: 'shop' })
  const others = createSchedules({ ...scene, app: undefined, appName: 'another' })
  for (const write of [others.add, others.set])
    await expect(write(hourly)).rejects.toMatchObject({ name: 'ScheduleExists', app: 'shop' })
})

test('the schedules of another app are as if there were none', async () => {
  const { schedules, ...scene } = createClientScene()
  await schedules.add(hourly)
  const others = createSchedules({ ...scene, app: undefined, appName: 'another' })
  expect(await others.get('report')).toBeNull()
  expect((await others.list()).schedules).toEqual([])
  for (const call of [others.pause, others.resume, others.remove, others.next])
    await expect(call('report')).rejects.toMatchObject({ name: 'ScheduleNotFound', schedule: 'report' })
})

test('who names no app sees those of all, and adds to one that is named app', async () => {
  const { schedules, ...scene } = createClientScene()
  await schedules.add(hourly)
  const all = createSchedules({ ...scene, app: undefined })
  expect((await all.pause('report')).app).toBe('shop')
  expect((await all.add(often('urls'))).app).toBe('app')
  expect((await all.set(often('report'))).app).toBe('shop')
  expect((await all.list({ app: 'app' })).schedules.map(({ name }) => name)).toEqual(['urls'])
})

test('schedules are listed by name, a page at a time', async () => {
  const { schedules, clock } = createClientScene()
  for (const name of ['c', 'a:b', 'a/b']) await schedules.add(often(name, 60_000 + name.length))
  const first = await schedules.list({ limit: 2 })
  expect(first).toMatchObject({ schedules: [{ name: 'a/b' }, { name: 'a:b' }], cursor: 'a:b', nowMs: clock.now() })
  expect(await schedules.list({ limit: 2, cursor: 'a:b' })).toMatchObject({ schedules: [{ name: 'c' }], cursor: null })
  await expect(schedules.list({ limit: 0 })).rejects.toThrow('expected limit to be a whole number from 1 to 1000')
})

test('a schedule that is set anew is due by the new rule, one of the same rule loses no tick that is due', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  await schedules.add(hourly)
  await clock.advance(3_600_000)
  const { dueAtMs, revision } = await schedules.set({ ...hourly, input: 'new' })
  expect([dueAtMs, revision]).toEqual([clock.now(), 2])
  expect((await tick({ clock, ...scene })).fired).toBe(1)
  expect((await schedules.set(often('report', 7_200_000))).dueAtMs).toBe(clock.now() + 3_600_000)
})

test('setting what is there already changes nothing', async () => {
  const { schedules } = createClientScene()
  const added = await schedules.set(hourly)
  expect(
    await schedules.set({ ...hourly, queue: 'default', priority: 0, catchUp: null, overlap: 'allow', pingUrl: null }),
  ).toEqual(added)
})

test('a removed schedule fires no more, leaves the jobs that it has made, and its name is free', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  await schedules.add(often('urls'))
  await clock.advance(60_000)
  await tick({ clock, ...scene })
  await schedules.remove('urls')
  expect(await schedules.get('urls')).toBeNull()
  await clock.advance(60_000)
  expect((await tick({ clock, ...scene })).fired).toBe(0)
  expect(await jobsOf(scene.broker)).toHaveLength(1)
  await expect(schedules.remove('urls')).rejects.toMatchObject({ name: 'ScheduleNotFound' })
  expect(await schedules.add(often('urls'))).toMatchObject({ revision: 3, dueAtMs: clock.now() + 60_000 })
})

test('a schedule that the app declares is not removed, but paused', async () => {
  const app = appWith(every('urls', '1m', { task: tidy }))
  const { schedules, ...scene } = createClientScene(app)
  await deploySchedules({ stampMs: 1, ...scene })
  await expect(schedules.remove('urls')).rejects.toThrow(
    'expected a schedule that was made at run time, got "urls", which the file of the app "shop" declares: take it out of the file and deploy, or pause it',
  )
  expect(await schedules.pause('urls')).toMatchObject({ paused: true, dueAtMs: null, overridden: false, origin: 'app' })
})

test('a paused schedule is never due, and resumed it is due from then on: what it missed is not made up for', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  await schedules.add({ ...hourly, catchUp: 'all' })
  expect(await schedules.pause('report')).toMatchObject({ paused: true, dueAtMs: null, revision: 2 })
  await clock.advance(3 * 3_600_000 + 60_000)
  expect((await tick({ clock, ...scene })).fired).toBe(0)
  expect(await schedules.resume('report')).toMatchObject({
    paused: false,
    dueAtMs: Date.parse('2026-01-05T16:00:00Z'),
    revision: 3,
  })
  await clock.advance(3_600_000)
  await tick({ clock, ...scene })
  expect(await dueTimesOf(scene.broker)).toEqual(['2026-01-05T16:00:00.000Z'])
})

test('pausing what is paused and resuming what is not changes nothing', async () => {
  const { schedules } = createClientScene()
  const added = await schedules.add(hourly)
  expect(await schedules.resume('report')).toEqual(added)
  const paused = await schedules.pause('report')
  expect(await schedules.pause('report')).toEqual(paused)
})

test('a schedule stays paused when it is set anew', async () => {
  const { schedules } = createClientScene()
  await schedules.add(hourly)
  await schedules.pause('report')
  expect(await schedules.set(often('report'))).toMatchObject({ paused: true, dueAtMs: null })
  expect(await schedules.resume('report')).toMatchObject({ paused: false, rule: { everyMs: 60_000 } })
})

test('an interval that is counted from its first due time keeps its rhythm over a pause', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  await schedules.add({ name: 'beat', task: 'tidy', rule: { kind: 'every', everyMs: 7_000, align: 'first' } })
  await clock.advance(7_000)
  await tick({ clock, ...scene })
  await schedules.pause('beat')
  await clock.advance(10_000)
  expect((await schedules.resume('beat')).dueAtMs).toBe(Date.parse(NOON) + 21_000)
})

test('a pause takes back what was looked ahead, and the resumed schedule fires it again', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  await schedules.add(often('urls', 10_000))
  expect((await tick({ clock, ...scene, aheadMs: 60_000 })).fired).toBe(6)
  await clock.advance(10_000)
  await schedules.pause('urls')
  expect(await jobsOf(scene.broker)).toHaveLength(1)
  await clock.advance(5_000)
  expect((await schedules.resume('urls')).dueAtMs).toBe(Date.parse(NOON) + 20_000)
})

test('resumed, a schedule is not due at a time whose job was looked ahead and cancelled', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  await schedules.add(often('urls', 10_000))
  await tick({ clock, ...scene, aheadMs: 10_000 })
  await scene.broker.cancel((await jobsOf(scene.broker)).map(({ id }) => id))
  await schedules.pause('urls')
  expect((await schedules.resume('urls')).dueAtMs).toBe(clock.now() + 20_000)
})

test('the next due times are told by the broker’s clock, after now or after any moment, and none of a paused one', async () => {
  const { schedules, clock } = createClientScene()
  await schedules.add(hourly)
  const iso = async (options?: Parameters<typeof schedules.next>[1]) =>
    (await schedules.next('report', options)).map((ms) => new Date(ms).toISOString().slice(0, 16))
  expect(await iso({ count: 2 })).toEqual(['2026-01-05T13:00', '2026-01-05T14:00'])
  expect(await iso({ count: 1, afterMs: Date.parse('2026-03-29T00:30Z') })).toEqual(['2026-03-29T01:00'])
  expect(await iso()).toHaveLength(10)
  await schedules.pause('report')
  expect(await iso()).toEqual([])
  expect(clock.now()).toBe(Date.parse(NOON))
  await expect(schedules.next('report', { count: 1_001 })).rejects.toThrow('expected count to be')
})

test('a custom schedule of the app is paused anywhere, and resumed and foretold where its code is', async () => {
  const rule = { next: (afterMs: number) => afterMs + 5 }
  const { schedules, ...scene } = createClientScene(appWith(custom('own', rule, { task: tidy })))
  await deploySchedules({ stampMs: 1, ...scene })
  const elsewhere = createSchedules({ ...scene, app: undefined })
  await expect(elsewhere.next('own')).rejects.toMatchObject({ name: 'ScheduleUnreadable', schedule: 'own' })
  await elsewhere.pause('own')
  await expect(elsewhere.resume('own')).rejects.toMatchObject({ name: 'ScheduleUnreadable' })
  expect(await schedules.resume('own')).toMatchObject({ dueAtMs: Date.parse(NOON) + 5 })
  expect(await schedules.next('own', { count: 1 })).toEqual([Date.parse(NOON) + 5])
  await expect(schedules.add(custom('another', rule, { task: tidy }))).rejects.toThrow(
    'expected the rule of "another" to be one of cron, every, at',
  )
})

test('an input that the app’s code makes is told of, and neither added nor in the way of a pause', async () => {
  const made = every('made', '1h', { task: tidy, input: ({ dueAtMs }) => dueAtMs })
  const { schedules, ...scene } = createClientScene(appWith(made))
  await deploySchedules({ stampMs: 1, ...scene })
  const elsewhere = createSchedules({ ...scene, app: undefined })
  expect(await elsewhere.get('made')).toMatchObject({ input: null, inputBy: 'function' })
  await elsewhere.pause('made')
  const { dueAtMs } = await elsewhere.resume('made')
  expect(await elsewhere.next('made', { count: 1 })).toEqual([dueAtMs ?? 0])
  await expect(schedules.set(made)).rejects.toThrow('expected the input of "made" to be a value, got a function')
})

test('what this version cannot read is listed, and neither paused nor foretold', async () => {
  const { schedules, broker } = createClientScene()
  const newer = {
    kind: 'set',
    name: 'newer',
    app: 'shop',
    definition: '{"v":9}',
    dueAtMs: 5,
    incarnation: 'i',
    stampMs: 1,
  } as const
  await broker.setSchedules([newer, { ...newer, name: 'none', definition: '{' }])
  expect((await schedules.list()).schedules).toMatchObject([
    { name: 'newer', task: null, rule: null, origin: 'app' },
    { name: 'none', task: null, rule: null, origin: 'app' },
  ])
  for (const call of [schedules.pause, schedules.next])
    for (const name of ['newer', 'none']) await expect(call(name)).rejects.toMatchObject({ name: 'ScheduleUnreadable' })
})

test('what a newer version has added to a declaration survives a pause', async () => {
  const { schedules, broker } = createClientScene()
  await schedules.add(hourly)
  const stored = async () => (await broker.schedules()).schedules[0] as (typeof page)[number]
  const page = (await broker.schedules()).schedules
  const { definition, ...kept } = await stored()
  const later = JSON.stringify({ ...JSON.parse(definition), pinged: 'later' })
  await broker.setSchedules([{ kind: 'set', ...kept, definition: later, stampMs: 5 }])
  await schedules.pause('report')
  await schedules.resume('report')
  expect(JSON.parse((await stored()).definition)).toEqual(JSON.parse(later))
})

const picky = defineTask({ name: 'picky', input: v.object({ to: v.string() }), run: () => {} })
const late = defineTask({
  name: 'late',
  input: v.pipeAsync(
    v.string(),
    v.checkAsync(async (text) => text === 'right'),
  ),
  run: () => {},
})

for (const [what, wrong, says] of [
  [
    'no object',
    null,
    'expected a schedule to be an object of name, task, input, queue, priority, rule, catchUp, overlap, pingUrl, got null',
  ],
  [
    'a field that there is not',
    { ...hourly, delay: 5 },
    'expected "delay" of a schedule to be left out (there are name, task',
  ],
  ['no rule', { name: 'x', task: 'tidy' }, 'expected "rule" of a schedule to be given, got none'],
  [
    'an unknown kind',
    { ...hourly, rule: { kind: 'custom' } },
    'expected "rule.kind" of a schedule to be an object whose kind is "cron", "every" or "at"',
  ],
  [
    'a rule’s field of another kind',
    { ...hourly, rule: { kind: 'at', atMs: 5, pattern: 'x' } },
    'expected "rule.pattern" of a schedule to be left out',
  ],
  [
    'a text for a number',
    { ...hourly, priority: '5' },
    'expected "priority" of a schedule to be a number, got a string of 1 characters',
  ],
  ['a name that cannot be', { ...hourly, name: 'a b' }, 'expected the name of a schedule to be 1 to 140 letters'],
  [
    'an unknown zone',
    { ...hourly, rule: { ...hourly.rule, timezone: 'Europe/Olso' } },
    'expected timezone of "report" to be an IANA time zone such as "Europe/Oslo", got "Europe/Olso"',
  ],
  ['a pattern that never fires', { ...hourly, rule: { kind: 'cron', pattern: '0 0 31 2 *' } }, 'never due'],
  ['a year in the past', { ...hourly, rule: { kind: 'cron', pattern: '0 0 0 1 1 * 2020' } }, 'never due from 2026 on'],
  [
    'a moment in the past',
    { ...hourly, rule: { kind: 'at', atMs: 5 } },
    'expected the rule of "report" to be due at some time from now on, got none after 2026-01-05T12:00:00.000Z',
  ],
  ['an end that is over', { ...hourly, rule: { ...hourly.rule, endAtMs: 5 } }, 'due at some time from now on'],
  [
    'an end before the start',
    { ...hourly, rule: { ...hourly.rule, startAtMs: 9e12, endAtMs: 8e12 } },
    'expected endAt of "report" to be at or after its startAt',
  ],
  [
    'overlap that there is not',
    { ...hourly, overlap: 'some' },
    'expected "overlap" of a schedule to be one of allow, skip',
  ],
  ['an interval of 0', often('report', 0), 'expected interval of "report" to be whole milliseconds'],
  [
    'catch-up that there is not',
    { ...hourly, catchUp: 'some' },
    'expected "catchUp" of a schedule to be "skip", "latest", "all" or an object',
  ],
  [
    'a task that the app lacks',
    { ...hourly, task: 'tidi' },
    'expected a task of the app, got "tidi": did you mean "tidy"?',
  ],
  [
    'a declared one whose task the app lacks',
    cron('x', '@daily', { task: { ...tidy, name: 'gone' } }),
    'expected a task of the app, got "gone"',
  ],
  [
    'an input that the task refuses',
    { ...hourly, task: 'picky', input: { to: 5 } },
    'expected an input that passes the schema of "picky"',
  ],
  [
    'an input that an asynchronous schema refuses',
    { ...hourly, task: 'late', input: 'wrong' },
    'expected an input that passes the schema of "late"',
  ],
] as const)
  test(`${what} is refused with what to write instead, and nothing is stored`, async () => {
    const { schedules, broker } = createClientScene(defineApp({ name: 'shop', tasks: [tidy, picky, late] }))
    for (const write of [schedules.add, schedules.set]) await expect(write(wrong as never)).rejects.toThrow(says)
    expect((await broker.schedules()).schedules).toEqual([])
  })

test('without an app any task and input are taken', async () => {
  const schedules = createSchedules(createScene(NOON))
  expect(await schedules.add({ ...hourly, task: 'anything', input: 5 })).toMatchObject({ task: 'anything', input: 5 })
  await expect(schedules.add({ ...hourly, name: 'x', task: 'a b' })).rejects.toThrow('expected the name of a task')
})

test('a change that is based on another revision is refused, and one on 0 makes only what was not there', async () => {
  const { schedules } = createClientScene()
  await expect(schedules.set(hourly, { revision: 1 })).rejects.toThrow(
    'expected schedule "report" to be at revision 1, got not there: read it again, then change it',
  )
  await schedules.set(hourly, { revision: 0 })
  for (const call of [
    () => schedules.set(often('report'), { revision: 0 }),
    () => schedules.set(often('report'), { revision: 2 }),
    () => schedules.pause('report', { revision: 2 }),
    () => schedules.resume('report', { revision: 2 }),
    () => schedules.remove('report', { revision: 2 }),
  ])
    await expect(call()).rejects.toMatchObject({ name: 'ScheduleMoved', got: 'at revision 1' })
  expect(await schedules.pause('report', { revision: 1 })).toMatchObject({ revision: 2 })
})

/** Somebody else changes the schedule between each read and write, so many times. */
function overtaken(broker: Broker, times: number, change: (at: number) => ScheduleChange): Broker {
  let at = 0
  return {
    ...broker,
    async setSchedules(changes) {
      if (at++ < times) await broker.setSchedules([change(at)])
      return broker.setSchedules(changes)
    },
  }
}

for (const [times, outcome] of [
  [4, 'is made in the end'],
  [5, 'gives up'],
] as const)
  test(`a change that others get ahead of ${times} times ${outcome}`, async () => {
    const { schedules, ...scene } = createClientScene()
    await schedules.add(hourly)
    const other = (at: number): ScheduleChange => ({
      kind: 'set',
      name: 'report',
      app: 'shop',
      definition: JSON.stringify({ ...JSON.parse(definition), priority: at }),
      dueAtMs: 1,
      incarnation: 'i',
      stampMs: 1,
    })
    const { definition } = (await scene.broker.schedules()).schedules[0] as { definition: string }
    const late = createSchedules({ ...scene, broker: overtaken(scene.broker, times, other) })
    if (times === 5) await expect(late.pause('report')).rejects.toMatchObject({ name: 'ScheduleMoved' })
    else expect(await late.pause('report')).toMatchObject({ paused: true, priority: 4 })
  })

test('two that add the same schedule at once: one has made it, the other is told that it exists', async () => {
  const { schedules, ...scene } = createClientScene()
  const outcomes = await Promise.allSettled([schedules.add(hourly), createSchedules(scene).add(hourly)])
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { name: 'ScheduleExists' } })
})

test('on a bad line every change is made once, whatever replies are lost and whatever copies come late', async () => {
  const scene = createClientScene()
  const { clock } = scene
  const schedules = createSchedules({ ...scene, broker: unreliable(scene.broker, createRandom(5)) })
  const changes = Promise.all(
    Array.from({ length: 20 }, async (_, at) => {
      const name = `s${at}`
      await schedules.add(often(name))
      await schedules.pause(name)
      await schedules.resume(name)
      await schedules.set(often(name, 90_000))
      if (at % 2 === 0) await schedules.remove(name)
    }),
  )
  let isDone = false
  void changes.then(() => {
    isDone = true
  })
  while (!isDone) await clock.advance(1_000)
  await changes
  const { schedules: left } = await scene.schedules.list()
  expect(left).toHaveLength(10)
  for (const one of left) expect(one).toMatchObject({ revision: 4, paused: false, rule: { everyMs: 90_000 } })
})

test('a schedule is run at once, paused or not, and its due times stay as they are', async () => {
  const { schedules, broker } = createClientScene()
  const { dueAtMs } = await schedules.add({ ...hourly, input: { to: 'a' }, queue: 'mail', priority: 3 })
  const { jobId } = await schedules.run('report')
  await schedules.pause('report')
  expect(await schedules.run('report', { input: { to: 'b' }, id: 'mine' })).toEqual({ jobId: 'mine', outcome: 'fired' })
  const jobs = await broker.get([jobId ?? '', 'mine'])
  expect(jobs).toMatchObject([
    { task: 'tidy', queue: 'mail', priority: 3, input: '{"to":"a"}', tick: { schedule: 'report', lateMs: 0 } },
    { task: 'tidy', queue: 'mail', priority: 3, input: '{"to":"b"}' },
  ])
  expect((await schedules.resume('report')).dueAtMs).toBe(dueAtMs)
})

test('run again under the same id it runs nothing', async () => {
  const { schedules, broker } = createClientScene()
  await schedules.add(hourly)
  expect(await schedules.run('report', { id: 'once' })).toEqual({ jobId: 'once', outcome: 'fired' })
  expect(await schedules.run('report', { id: 'once' })).toEqual({ jobId: 'once', outcome: 'existing' })
  expect(await jobsOf(broker)).toHaveLength(1)
})

test('by its rule of overlap there may be no job, and by a full queue there is none', async () => {
  const { schedules, clock } = createClientScene()
  await schedules.add({ ...hourly, overlap: 'skip' })
  await schedules.run('report')
  expect(await schedules.run('report')).toEqual({ jobId: null, outcome: 'skipped' })

  const broker = sqliteBroker({ path: ':memory:', clock, maxReady: 1 })
  const full = createSchedules({ broker, clock, appName: 'shop' })
  await full.add(hourly)
  await full.run('report')
  await expect(full.run('report')).rejects.toThrow(QueueFull)
})

test('a run whose schedule is changed under it takes place by what it is then', async () => {
  const scene = createClientScene()
  await scene.schedules.add(hourly)
  let changes = 0
  const fire: Broker['fire'] = async (ticks) => {
    if (changes++ === 0) await scene.schedules.set({ ...hourly, queue: 'mail' })
    return scene.broker.fire(ticks)
  }
  const racing = createSchedules({ ...scene, broker: { ...scene.broker, fire } })
  expect((await racing.run('report', { id: 'r' })).outcome).toBe('fired')
  expect(await scene.broker.get(['r'])).toMatchObject([{ queue: 'mail' }])
})

test('on a bad line a run is made once', async () => {
  const scene = createClientScene()
  await scene.schedules.add(hourly)
  const flaky = createSchedules({ ...scene, broker: unreliable(scene.broker, createRandom(3)) })
  const runs = Array.from({ length: 20 }, (_, at) => flaky.run('report', { id: `run-${at}` }))
  for (let turn = 0; turn < 60; turn++) await scene.clock.advance(1_000)
  await Promise.all(runs)
  expect((await jobsOf(scene.broker)).length).toBe(20)
})

test('an input is made by the app’s function, or given; the task and a given input are checked', async () => {
  const checked = defineTask({ name: 'checked', input: v.object({ to: v.string() }), run: () => 'ok' })
  const made = every('made', '1h', { task: checked, input: ({ schedule }) => ({ to: schedule }) })
  const scene = createClientScene(defineApp({ name: 'shop', tasks: [checked], schedules: [made] }))
  const { schedules, broker, app } = scene
  await deploySchedules({ ...scene, app, stampMs: 1 })
  await schedules.run('made', { id: 'by-function' })
  await schedules.run('made', { id: 'given', input: { to: 'b' } })
  expect(await broker.get(['by-function', 'given'])).toMatchObject([
    { input: '{"to":"made"}' },
    { input: '{"to":"b"}' },
  ])

  await expect(schedules.run('made', { input: { to: 7 } })).rejects.toThrow(InvalidInput)
  await expect(schedules.run('made', { id: '' })).rejects.toThrow('expected id to be')
  await expect(schedules.run('nothing')).rejects.toThrow(ScheduleNotFound)
  await expect(createSchedules({ ...scene, app: undefined }).run('made')).rejects.toThrow(ScheduleUnreadable)
  await expect(createSchedules({ ...scene, app: appWith() }).run('made')).rejects.toThrow(UnknownTask)
})

test('the history tells of the last ticks and their jobs, also of those that are gone', async () => {
  const { schedules, clock, ...scene } = createClientScene()
  const dueAtMs = (await schedules.add({ ...hourly, catchUp: 'skip' })).dueAtMs ?? 0
  await clock.advance(3_600_000)
  await tick({ clock, ...scene })
  await clock.advance(2 * 3_600_000 + 5)
  await tick({ clock, ...scene })
  const { jobId } = await schedules.run('report')
  await scene.broker.cancel([jobId ?? ''])
  await scene.broker.remove([(await jobsOf(scene.broker)).find(({ tick }) => tick?.dueAtMs === dueAtMs)?.id ?? ''])
  const nowMs = clock.now()
  const fired = { outcome: 'fired', manual: false, jobId: expect.any(String) }
  expect(await schedules.history('report')).toMatchObject([
    {
      ...fired,
      manual: true,
      dueAtMs: nowMs,
      firedAtMs: nowMs,
      lateMs: 0,
      jobId,
      state: 'cancelled',
      finishedAtMs: nowMs,
    },
    { ...fired, dueAtMs: dueAtMs + 7_200_000, firedAtMs: nowMs, lateMs: 5, state: 'queued', attempts: 0 },
    { outcome: 'missed', dueAtMs: dueAtMs + 3_600_000, lateMs: 3_600_005, jobId: null, state: null },
    { ...fired, dueAtMs, lateMs: 0, state: null, finishedAtMs: null },
  ])
  await expect(schedules.history('nothing')).rejects.toThrow(ScheduleNotFound)
})

test('an interval that is paused before it was first due goes on in its rhythm', async () => {
  const { schedules, clock } = createClientScene()
  const rule = { kind: 'every', everyMs: 10_000, align: 'first' } as const
  const { dueAtMs } = await schedules.add({ name: 'first', task: 'tidy', rule })
  await clock.advance(3_000)
  await schedules.pause('first')
  await clock.advance(1_000)
  expect((await schedules.resume('first')).dueAtMs).toBe(dueAtMs)
  await schedules.pause('first')
  await clock.advance(12_000)
  expect((await schedules.resume('first')).dueAtMs).toBe((dueAtMs ?? 0) + 10_000)
})

test('a run that was skipped is told so, also where that reply was lost', async () => {
  const scene = createClientScene()
  await scene.schedules.add({ ...hourly, overlap: 'skip' })
  await scene.schedules.run('report', { id: 'runs' })
  let isLost = false
  const fire: Broker['fire'] = async (ticks) => {
    const outcomes = await scene.broker.fire(ticks)
    if (isLost) return outcomes
    isLost = true
    throw new BrokerUnavailable('flaky', 'nothing')
  }
  const unlucky = createSchedules({ ...scene, broker: { ...scene.broker, fire } })
  const run = unlucky.run('report')
  await scene.clock.advance(60_000)
  expect(await run).toEqual({ jobId: null, outcome: 'skipped' })
})
