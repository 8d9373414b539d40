import { expect, test } from 'bun:test'
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
    { name: 'greetings', task: 'greet', rule: { kind: 'every', everyMs: 1_000 } },
  ])
  expect((await folder.tq(['work', '--burst'])).stdout).toContain('"Hello, beat"')
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
