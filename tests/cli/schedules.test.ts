import { expect, setDefaultTimeout, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { createFolder, type Folder, GREETER, SOURCES } from './support.ts'

/** Each command is a process of its own. */
setDefaultTimeout(30_000)

/** Commands in a folder without an app, for the app of this name. */
async function createPlace() {
  const folder = await createFolder(SOURCES, tmpdir())
  const tq = (...args: string[]) => folder.tq(['schedules', ...args])
  const json = async (...args: string[]) => JSON.parse((await tq(...args, '--json')).stdout)
  const add = (name: string, ...args: string[]) =>
    tq('add', name, '--app-name', 'shop', ...(args.includes('--task') ? [] : ['--task', 'tidy']), ...args)
  return { folder, tq, json, add, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
}

test('a schedule is added, listed, shown, changed, paused, resumed and removed', async () => {
  await using place = await createPlace()
  const { tq, json, add } = place
  const weekdays = ['--cron', '0 7 * * 1-5', '--timezone', 'Europe/Oslo', '--input', '{"to":"a"}', '--queue', 'mail']
  expect(await add('digest', ...weekdays)).toEqual({
    stdout: expect.stringMatching(/^digest {2}added, next due 2\S+Z\n$/),
    stderr: 'no tq.config.ts here: the name of the task and the input are not checked\n',
    exitCode: 0,
  })
  const added = await json('show', 'digest')
  expect(added).toMatchObject({
    name: 'digest',
    app: 'shop',
    input: { to: 'a' },
    rule: { kind: 'cron', pattern: '0 7 * * 1-5', timezone: 'Europe/Oslo' },
    origin: 'runtime',
    paused: false,
  })
  expect((await tq()).stdout).toMatch(/digest +shop +tidy +0 7 \* \* 1-5 Europe\/Oslo.* +2\S+Z +- +- +made at run time/)
  expect((await tq('show', 'digest')).stdout).toMatch(/^queue +mail\n(.*\n)+paused +false$/m)

  expect((await tq('set', 'digest', '--every', '5m', '--jitter', '30s')).stdout).toMatch(/^digest {2}set, next due/)
  expect(await json('show', 'digest')).toMatchObject({
    input: { to: 'a' },
    queue: 'mail',
    rule: { kind: 'every', everyMs: 300_000, jitterMs: 30_000 },
    revision: 2,
  })

  expect((await tq('pause', 'digest')).stdout).toBe('digest  paused\n')
  expect((await tq()).stdout).toMatch(/digest .* - +- +- +paused, made at run time/)
  expect((await json()).schedules).toMatchObject([{ name: 'digest', paused: true, dueAtMs: null }])
  expect(await tq('next', 'digest')).toMatchObject({ stdout: '', stderr: 'digest is paused\n', exitCode: 0 })
  expect((await tq('resume', 'digest')).stdout).toMatch(/^digest {2}resumed, next due 2/)

  expect((await tq('remove', 'digest')).stdout).toBe('digest  removed\n')
  expect(await json()).toMatchObject({ schedules: [], nextDueAtMs: null })
})

test('the next due times are those of the schedule’s zone, with its offset', async () => {
  await using place = await createPlace()
  await place.add('night', '--cron', '30 2 25 10 *', '--timezone', 'Europe/Oslo', '--start-at', '2998-10-25T00:00Z')
  await place.add('once', '--at', '2999-01-09T09:00+01:00')
  await place.add('off', '--every', '1h')
  expect((await place.tq('next', 'night', '-n', '2')).stdout).toBe(
    '2998-10-25T02:30:00+02:00  bounds: the first from startAt on\n2999-10-25T02:30:00+02:00\n',
  )
  expect(await place.json('next', 'once')).toEqual([
    { schedule: 'once', dueAtMs: Date.UTC(2999, 0, 9, 8), dueAt: '2999-01-09T08:00:00+00:00', reason: 'plain' },
  ])
  expect((await place.tq('next', 'off')).stdout.trim().split('\n')).toHaveLength(10)
})

test('every flag says what the declaring functions take, and none takes a bound away', async () => {
  await using place = await createPlace()
  const { json, tq } = place
  const bounds = ['--start-at', '2998-01-01T00:00Z', '--end-at', '2999-01-01T00:00Z', '--max-runs', '5']
  const added = await json(
    ...[
      'add',
      'a/b:c',
      '--app-name',
      'shop',
      '--task',
      'tidy',
      '--every',
      'PT36H',
      '--align',
      'first',
      '--priority=-3',
    ],
    ...[...bounds, '--jitter', '10m', '--catch-up', '7d', '--overlap', 'bufferOne'],
  )
  expect(added).toMatchObject({
    priority: -3,
    catchUp: { maxAgeMs: 604_800_000, maxRuns: 1_000 },
    overlap: 'bufferOne',
    rule: {
      kind: 'every',
      everyMs: 129_600_000,
      align: 'first',
      startAtMs: Date.UTC(2998, 0),
      endAtMs: Date.UTC(2999, 0),
      maxRuns: 5,
      jitterMs: 600_000,
    },
  })
  const set = await json(
    'set',
    'a/b:c',
    '--end-at',
    'none',
    '--max-runs',
    'none',
    '--jitter',
    'none',
    '--catch-up',
    'latest',
  )
  expect(set.rule).toEqual({ kind: 'every', everyMs: 129_600_000, align: 'first', startAtMs: Date.UTC(2998, 0) })
  expect(set.catchUp).toBeNull()
  expect((await json('set', 'a/b:c', '--ping-url', 'https://ping.example/x')).pingUrl).toBe('https://ping.example/x')
  expect((await json('set', 'a/b:c', '--ping-url', 'none')).pingUrl).toBeNull()
  const zoned = await json('set', 'a/b:c', '--cron', 'TZ=Asia/Tokyo 0 7 * * *')
  expect(zoned.rule).toEqual({
    kind: 'cron',
    pattern: '0 7 * * *',
    timezone: 'Asia/Tokyo',
    startAtMs: Date.UTC(2998, 0),
  })
  expect((await json('set', 'a/b:c', '--cron', '0 8 * * *')).rule).toMatchObject({ timezone: 'Asia/Tokyo' })
  expect((await json('set', 'a/b:c', '--cron', 'TZ=UTC 0 8 * * *')).rule).toMatchObject({ timezone: 'UTC' })
  expect((await json('set', 'a/b:c', '--at', '2999-01-01T00:00Z')).rule).toEqual({
    kind: 'at',
    atMs: Date.UTC(2999, 0),
  })
  expect((await tq('show', 'a/b:c')).stdout).toMatch(/^task +tidy$/m)
})

test('an input comes from stdin as well', async () => {
  await using place = await createPlace()
  const args = [
    'schedules',
    'add',
    'x',
    '--app-name',
    'shop',
    '--task',
    'tidy',
    '--every',
    '1h',
    '--input',
    '-',
    '--json',
  ]
  expect(JSON.parse((await place.folder.tq(args, { stdin: '[1]' })).stdout)).toMatchObject({ input: [1] })
})

test('the schedules of one app are listed alone, by name', async () => {
  await using place = await createPlace()
  for (const name of ['b', 'a']) await place.add(name, '--every', '1h')
  expect((await place.json('list')).schedules).toMatchObject([{ name: 'a' }, { name: 'b' }])
  expect((await place.json('list', '--app-name', 'another')).schedules).toEqual([])
})

const MISTAKES = [
  ['a name that is taken', ['add', 'taken', '--every', '5m'], 'expected a name that no schedule has, got "taken"', 2],
  [
    'an unknown zone',
    ['add', 'x', '--cron', '@daily', '--timezone', 'Mars'],
    'an IANA time zone such as "Europe/Oslo", got "Mars"',
    2,
  ],
  ['a pattern that never fires', ['add', 'x', '--cron', '0 0 31 2 *'], 'never due', 2],
  ['a year in the past', ['add', 'x', '--cron', '0 0 0 1 1 * 2020'], 'never due from 2026 on', 2],
  ['a moment in the past', ['add', 'x', '--at', '2020-01-01T00:00Z'], 'due at some time from now on', 2],
  ['a moment without its offset', ['add', 'x', '--at', '2999-01-01T00:00'], 'expected --at to be a Date', 2],
  ['an interval of 0', ['add', 'x', '--every', '0s'], 'expected interval of "x" to be', 2],
  ['an interval that is none', ['add', 'x', '--every', 'often'], 'expected --every to be a duration such as 30s', 2],
  [
    'an end before its start',
    ['add', 'x', '--every', '1h', '--start-at', '2999-02-01T00:00Z', '--end-at', '2999-01-01T00:00Z'],
    'expected endAt of "x" to be at or after its startAt',
    2,
  ],
  [
    'a zone of an interval',
    ['add', 'x', '--every', '1h', '--timezone', 'UTC'],
    'expected "rule.timezone" of a schedule to be left out',
    2,
  ],
  ['an alignment that there is not', ['add', 'x', '--every', '1h', '--align', 'last'], '"clock" or "first"', 2],
  [
    'catch-up that there is not',
    ['add', 'x', '--every', '1h', '--catch-up', 'some'],
    'expected --catch-up to be a duration',
    2,
  ],
  [
    'two kinds',
    ['add', 'x', '--every', '1h', '--at', '2999-01-01T00:00Z'],
    'expected one of --cron, --every and --at, got more',
    2,
  ],
  ['no kind', ['add', 'x'], 'expected one of --cron, --every and --at, got none', 2],
  ['an input that is no JSON', ['add', 'x', '--every', '1h', '--input', '{'], 'expected the input to be JSON', 2],
  ['a name that cannot be', ['add', 'a b', '--every', '1h'], 'expected the name of a schedule to be', 2],
  ['an age that is none', ['add', 'x', '--every', '1h', '--catch-up', 'none'], 'expected --catch-up to be one of', 2],
  ['a change of nothing', ['set', 'x', '--every', '1h'], 'expected a schedule named "x", got none', 1],
  ['a pause of nothing', ['pause', 'x'], 'expected a schedule named "x", got none', 1],
  ['a resumption of nothing', ['resume', 'x'], 'expected a schedule named "x", got none', 1],
  ['a removal of nothing', ['remove', 'x'], 'expected a schedule named "x", got none', 1],
  ['a look at nothing', ['show', 'x'], 'expected a schedule named "x", got none', 1],
  ['the next of nothing', ['next', 'x'], 'expected a schedule named "x", got none', 1],
  ['too many due times', ['next', 'taken', '-n', '1001'], 'expected --n to be a whole number from 1 to 1000', 2],
  ['one of another app', ['pause', 'taken', '--app-name', 'another'], 'expected a schedule named "taken", got none', 1],
] as const

test('whatever is wrong is told with what to change', async () => {
  await using place = await createPlace()
  await place.add('taken', '--every', '1h')
  for (const [what, args, says, exitCode] of MISTAKES) {
    const [command, name, ...flags] = args
    const found = await (command === 'add' ? place.add(name, ...flags) : place.tq(...args))
    expect({ what, ...found }).toMatchObject({ what, stdout: '', stderr: expect.stringContaining(says), exitCode })
  }
}, 60_000)

test('who adds where no app is says whose schedule it is, and which task', async () => {
  await using place = await createPlace()
  expect(await place.tq('add', 'x', '--every', '1h', '--task', 'tidy')).toMatchObject({
    stderr: expect.stringContaining('expected --app-name, got none'),
    exitCode: 2,
  })
  expect(await place.tq('add', 'x', '--every', '1h', '--app-name', 'shop')).toMatchObject({
    stderr: expect.stringContaining('expected --task, got none'),
    exitCode: 2,
  })
})

const CUSTOM = GREETER.replace('import { every }', 'import { custom, every }').replace(
  'schedules: [',
  "schedules: [custom('own', { next: (afterMs) => afterMs + 1_000 }, { task: fail }), ",
)

async function createApp(): Promise<Folder> {
  const folder = await createFolder()
  await folder.write('tq.config.ts', CUSTOM)
  expect((await folder.tq(['beat', '--once'])).exitCode).toBe(0)
  return folder
}

test('with an app the task and the input are checked, and the schedule is its own', async () => {
  await using folder = await createApp()
  const add = (...args: string[]) => folder.tq(['schedules', 'add', 'x', '--every', '100ms', ...args])
  for (const [args, says] of [
    [['--task', 'gret'], 'expected a task of the app, got "gret": did you mean "greet"?'],
    [['--task', 'greet'], 'expected an input that passes the schema of "greet"'],
  ] as const)
    expect(await add(...args)).toMatchObject({ stderr: expect.stringContaining(says), exitCode: 2 })
  expect((await add('--task', 'greet', '--input', '{"name":"run time"}')).stderr).toBe('')
  for (let worked = ''; !worked.includes('"Hello, run time"'); ) {
    await folder.tq(['beat', '--once'])
    worked = (await folder.tq(['work', '--burst'])).stdout
  }
  expect(await add('--task', 'any', '--app-name', 'another')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('this is the app "greeter"'),
  })
})

test('what the app’s file declares is overridden, and neither removed nor added again', async () => {
  await using folder = await createApp()
  const tq = (...args: string[]) => folder.tq(['schedules', ...args])
  expect((await tq('set', 'greetings', '--every', '2h')).stdout).toMatch(
    /^greetings {2}set until the app's file declares something else, next due 2/,
  )
  await folder.tq(['beat', '--once'])
  expect((await tq()).stdout).toMatch(/greetings +greeter +greet +every 2 h .* overridden/)
  expect(await tq('remove', 'greetings')).toMatchObject({
    stderr: expect.stringContaining('take it out of the file and deploy, or pause it'),
    exitCode: 2,
  })
  expect((await tq('set', 'own', '--queue', 'x')).stderr).toContain(
    'expected one of --cron, --every and --at, got none: the rule of "own" is one that nothing but the app\'s file can declare',
  )
})

test('an input for one run is checked where the app is, before anything is stored', async () => {
  await using folder = await createApp()
  const run = (input: string) => folder.tq(['schedules', 'run', 'greetings', '--input', input])
  expect(await run('{"name":7}')).toMatchObject({
    stderr: expect.stringContaining('expected an input that passes the schema of "greet"'),
    exitCode: 2,
  })
  expect((await folder.tq(['schedules', 'history', 'greetings'])).stdout).toContain('has not been fired yet')
  expect(await run('{"name":"Ada"}')).toMatchObject({ stderr: '', exitCode: 0 })
})

test('why it is due is said also of a schedule whose inputs only the app can make', async () => {
  await using folder = await createFolder()
  const jittered = GREETER.replace(
    'schedules: [',
    "schedules: [every('made', '1h', { task: fail, jitterMs: 60_000, input: () => 1 }), ",
  )
  await folder.write('tq.config.ts', jittered)
  await folder.tq(['beat', '--once'])
  expect((await folder.tq(['schedules', 'next', 'made', '-n', '1'])).stdout).toMatch(/ jitter: [\d.]+ s later\n$/)
})

test('a custom schedule is paused anywhere, and resumed where the app’s code is', async () => {
  await using folder = await createApp()
  const db = ['--db', `${folder.path}/.tq/tq.db`]
  await using elsewhere = await createFolder(SOURCES, tmpdir())
  expect((await elsewhere.tq(['schedules', 'pause', 'own', ...db])).exitCode).toBe(0)
  expect(await elsewhere.tq(['schedules', 'resume', 'own', ...db])).toMatchObject({
    stderr: expect.stringContaining("do it where the app's code is"),
    exitCode: 2,
  })
  expect((await folder.tq(['schedules', 'resume', 'own'])).stdout).toMatch(/^own {2}resumed, next due 2/)
  expect((await folder.tq(['schedules', 'next', 'own', '-n', '2'])).stdout.trim().split('\n')).toHaveLength(2)
})

test('tq dev serves schedules over REST', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const dev = folder.start(['dev', '--port', '0', '--json'])
  const { url } = JSON.parse(await dev.line('dev.ready'))
  const response = await fetch(`${url}/v1/schedules/x`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ task: 'greet', input: { name: 'REST' }, rule: { kind: 'every', everyMs: 1_000 } }),
  })
  expect([response.status, await response.json()]).toMatchObject([201, { app: 'greeter', origin: 'runtime' }])
  await dev.line(/beat\.fired.*"schedule":"x"/)
  dev.signal('SIGTERM')
  expect((await dev.exit).exitCode).toBe(0)
})

test('schedules are listed a page at a time where so many are asked for', async () => {
  await using place = await createPlace()
  for (const name of ['a', 'b']) await place.add(name, '--every', '1h')
  const { stdout, stderr } = await place.tq('list', '--limit', '1')
  expect([stdout, stderr]).toEqual([
    expect.stringContaining('a '),
    expect.stringMatching(/^more with --cursor a\nno beat of "shop" /),
  ])
  const { schedules, cursor } = JSON.parse((await place.tq('list', '--limit', '1', '--cursor', 'a', '--json')).stdout)
  expect([schedules.map(({ name }: { name: string }) => name), cursor]).toEqual([['b'], null])
})

test('a schedule is run at once, and its history tells what became of it', async () => {
  await using place = await createPlace()
  const { tq, json, add } = place
  await add('digest', '--every', '4w', '--overlap', 'skip', '--input', '{"to":"a"}')
  expect((await tq('history', 'digest')).stdout).toBe('digest has not been fired yet\n')
  expect(await tq('run', 'digest', '--id', 'first')).toMatchObject({ stdout: 'digest  runs as first\n', exitCode: 0 })
  expect((await tq('run', 'digest', '--id', 'first')).stdout).toBe('digest  was run as first\n')
  expect(await tq('run', 'digest')).toMatchObject({
    stdout: 'digest  skipped: a job of it has not finished\n',
    exitCode: 1,
  })
  expect(await json('history', 'digest')).toMatchObject([
    { outcome: 'skipped', manual: true, jobId: null, state: null },
    { outcome: 'fired', manual: true, jobId: 'first', state: 'queued' },
  ])
  expect((await tq('history', 'digest')).stdout).toMatch(/fired by hand +first +queued +0 +-\n$/)
})
