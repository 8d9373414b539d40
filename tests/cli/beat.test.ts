import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createFolder, type Folder, GREETER } from './support.ts'

async function beatUntilFired(folder: Folder) {
  for (;;) {
    const report = JSON.parse((await folder.tq(['beat', '--once', '--json'])).stdout)
    if (report.fired > 0) return report
  }
}

test('beat --once stores the schedules and fires what is due', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const first = await folder.tq(['beat', '--once'])
  expect(first.stdout).toMatch(/fired 0, next due 2/)
  expect(first.exitCode).toBe(0)

  const { ticks, nextAtMs, nowMs } = await beatUntilFired(folder)
  expect(ticks[0]).toMatchObject({ schedule: 'greetings' })
  expect(nextAtMs).toBeGreaterThan(nowMs)
  expect((await folder.tq(['schedules'])).stdout).toMatch(/greetings +greeter +greet +every 1 s +2\S+Z +2\S+Z/)
  expect(JSON.parse((await folder.tq(['schedules', '--json'])).stdout).schedules).toMatchObject([
    { name: 'greetings', task: 'greet', rule: { kind: 'every', everyMs: 1_000 }, catchUp: null },
  ])
  expect((await folder.tq(['work', '--burst'])).stdout).toContain('"Hello, beat"')
})

test('beat --once --ahead-seconds fires what falls due within so long, for its time', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const report = JSON.parse((await folder.tq(['beat', '--once', '--ahead-seconds', '60', '--json'])).stdout)
  // One more where a second begins between the deploy and the pass.
  expect(report.fired).toBeGreaterThanOrEqual(60)
  expect(report.nextAtMs).toBeGreaterThan(report.nowMs + 60_000)
  const { jobs } = JSON.parse((await folder.tq(['jobs', '--limit', '100', '--json'])).stdout)
  const waiting = (jobs as { state: string; dueAtMs: number; tick: Tick }[]).filter(
    ({ state }) => state === 'scheduled',
  )
  expect(waiting.length).toBeGreaterThan(0)
  expect(waiting.filter(({ dueAtMs, tick }) => dueAtMs !== tick.dueAtMs)).toEqual([])
})

for (const [flags, says] of [
  [['--ahead-seconds', '60'], 'expected --ahead-seconds together with --once, got it alone'],
  [['--once', '--ahead-seconds', '901'], 'expected --ahead-seconds to be a whole number from 0 to 900, got "901"'],
] as const)
  test(`beat ${flags.join(' ')} is told what to change`, async () => {
    await using folder = await createFolder()
    const { stderr, exitCode } = await folder.tq(['beat', ...flags])
    expect(stderr).toContain(says)
    expect(exitCode).toBe(2)
  })

test('a worker with --beat fires schedules as well, and a signal ends both', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const worker = folder.start(['work', '--beat'])
  await worker.line(/fired +greetings/)
  await worker.line(/succeeded +greet .*"Hello, beat"/)
  worker.signal('SIGTERM')
  const { stdout, exitCode } = await worker.exit
  expect(stdout).toMatch(/stopped +beat/)
  expect(exitCode).toBe(0)
})

test('beat runs until a signal ends it', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const beat = folder.start(['beat', '--json'])
  expect(JSON.parse(await beat.line('beat.fired'))).toMatchObject({ kind: 'beat.fired', schedule: 'greetings' })
  beat.signal('SIGINT')
  expect((await beat.exit).exitCode).toBe(0)
})

interface Tick {
  readonly dueAtMs: number
  readonly catchUp: boolean
}

async function storedTicks(folder: Folder): Promise<Tick[]> {
  const { jobs } = JSON.parse((await folder.tq(['jobs', '--limit', '1000', '--json'])).stdout)
  const ticks = (jobs as { tick: Tick }[]).map(({ tick }) => tick)
  return ticks.sort((a, b) => a.dueAtMs - b.dueAtMs)
}

const firedIn = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; dueAtMs: number })
    .filter(({ kind }) => kind === 'beat.fired')

test('three beats in their own processes share one file: each due time is fired by one of them', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER.replace("'1s'", "'100ms'"))
  const beats = [1, 2, 3].map(() => folder.start(['beat', '--json']))
  for (const beat of beats) await beat.line('beat.started')
  while ((await storedTicks(folder)).length < 20);
  for (const beat of beats) beat.signal('SIGTERM')
  const ends = await Promise.all(beats.map(({ exit }) => exit))

  const ticks = await storedTicks(folder)
  const dues = ticks.map(({ dueAtMs }) => dueAtMs)
  expect(new Set(dues).size).toBe(dues.length)
  const fired = ends.flatMap(({ stdout }) => firedIn(stdout)).map(({ dueAtMs }) => dueAtMs)
  expect(fired.sort((a, b) => a - b)).toEqual(dues)
  // On a machine too busy for any of the three a due time may be passed over; the tick after it says so.
  for (const [at, { dueAtMs, catchUp }] of ticks.entries())
    if (at > 0 && !catchUp) expect(dueAtMs - (dues[at - 1] as number)).toBe(100)
  expect(ends.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0])
}, 30_000)

test('schedules tells the rule of each kind', async () => {
  await using folder = await createFolder()
  await folder.write(
    'tq.config.ts',
    `import { defineApp, defineTask } from 'tq-edge'
import { at, cron, custom, every } from 'tq-edge/scheduler'
const tidy = defineTask({ name: 'tidy', run: () => 'done' })
export default defineApp({ name: 'kinds', tasks: [tidy], schedules: [
  at('launch', '2999-01-09T09:00+01:00', { task: tidy }),
  cron('digest', 'TZ=Europe/Oslo 0 7 * * 1-5', { task: tidy }),
  custom('never', { next: () => null }, { task: tidy }),
  custom('broken', { next: (afterMs) => afterMs }, { task: tidy }),
  every('off', '1h', { task: tidy, enabled: false }),
] })
`,
  )
  expect((await folder.tq(['beat', '--once'])).stdout).toMatch(/broken +broken +expected next\(\d+\) of "broken" to be/)
  const { stdout } = await folder.tq(['schedules'])
  expect(stdout).toMatch(/launch +kinds +tidy +at 2999-01-09T08:00:00Z +2999-01-09T08:00:00Z/)
  expect(stdout).toMatch(/digest +kinds +tidy +0 7 \* \* 1-5 Europe\/Oslo: at 07:00, Monday through Friday +2/)
  expect(stdout).toMatch(/never +kinds +tidy +custom +-/)
  expect(stdout).toMatch(/off +kinds +tidy +every 1 h \(not enabled\) +-/)
})

test('schedules says how late each is, and where no beat fires them', async () => {
  await using folder = await createFolder()
  const broker = sqliteBroker({ path: join(folder.path, '.tq/tq.db') })
  const change = { kind: 'set', app: 'shop', definition: '{}', incarnation: 'i', stampMs: 1 } as const
  const late = { ...change, name: 'late', dueAtMs: Date.now() - 7_200_000 }
  await broker.setSchedules([late, { ...change, name: 'over', app: 'past', dueAtMs: null }])
  const list = async () => {
    const [json, table] = [await folder.tq(['schedules', '--json']), await folder.tq(['schedules'])]
    return { ...JSON.parse(json.stdout), table: table.stdout, notes: table.stderr }
  }

  const before = await list()
  const lagOf = (name: string) => before.schedules.find((schedule: { name: string }) => schedule.name === name).lagMs
  expect(lagOf('over')).toBe(0)
  expect(lagOf('late')).toBeGreaterThanOrEqual(7_200_000)
  for (const row of [/NEXT DUE +LAST +LAG$/m, /^late +shop .* 2 h$/m, /^over +past .* -$/m])
    expect(before.table).toMatch(row)
  expect(before.beats).toEqual([])
  expect(before.notes).toBe(
    'no beat of "shop" has been there so far: nothing fires its schedules until a tq beat or a cron does\n',
  )

  const presence = { beat: 'beat.1', app: 'shop', runtime: 'bun', startedAtMs: 5 }
  await broker.schedules({ presence })
  const after = await list()
  expect([after.notes, after.beats]).toEqual(['', [expect.objectContaining(presence)]])
  await broker.close()
})

test('schedules are listed however many there are, each once, by name', async () => {
  await using folder = await createFolder()
  await folder.write(
    'tq.config.ts',
    `import { defineApp, defineTask } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
const tidy = defineTask({ name: 'tidy', run: () => 'done' })
const schedules = Array.from({ length: 1_200 }, (_, at) => every(\`many-\${String(at).padStart(4, '0')}\`, '4w', { task: tidy }))
export default defineApp({ tasks: [tidy], schedules })
`,
  )
  await folder.tq(['beat', '--once'])
  const names = Array.from({ length: 1_200 }, (_, at) => `many-${String(at).padStart(4, '0')}`)
  const { schedules, nextDueAtMs } = JSON.parse((await folder.tq(['schedules', '--json'])).stdout)
  expect(schedules.map(({ name }: { name: string }) => name)).toEqual(names)
  expect(nextDueAtMs).toBe(schedules[0].dueAtMs)
  const { stdout } = await folder.tq(['schedules'])
  expect([...stdout.matchAll(/many-\d+/g)].map(([name]) => name)).toEqual(names)
})
