import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createFolder } from './support.ts'

const APP = `
import { defineApp, defineTask } from 'tq-edge'
import { cron, custom, every } from 'tq-edge/scheduler'
const tidy = defineTask({ name: 'tidy', run: () => 'done' })
export default defineApp({ name: 'kinds', tasks: [tidy], schedules: [
  cron('night', '30 2 * * *', { task: tidy, timezone: 'Europe/Oslo' }),
  every('halves', '12h', { task: tidy, catchUp: 'skip' }),
] })
`

test('beat --simulate prints what would be fired in some days of a zone and why, and makes no database', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', APP)
  const days = ['beat', '--simulate', '2026-10-25', '--timezone', 'Europe/Oslo', '--days', '2']
  const { stdout, exitCode } = await folder.tq(days)
  expect(stdout.trimEnd().split('\n')).toEqual([
    'DUE                        SCHEDULE  WHY',
    '2026-10-25T02:00:00+02:00  halves    plain',
    '2026-10-25T02:30:00+02:00  night     dst: 02:30 comes twice, due the first time alone',
    '2026-10-25T13:00:00+01:00  halves    plain',
    '2026-10-26T01:00:00+01:00  halves    plain',
    '2026-10-26T02:30:00+01:00  night     plain',
    '2026-10-26T13:00:00+01:00  halves    plain',
  ])
  expect(exitCode).toBe(0)
  const rows = JSON.parse((await folder.tq([...days, '--json'])).stdout)
  expect(rows).toHaveLength(6)
  expect(rows[1]).toEqual({
    schedule: 'night',
    dueAt: '2026-10-25T02:30:00+02:00',
    reason: 'dst: 02:30 comes twice, due the first time alone',
  })
  expect(existsSync(join(folder.path, '.tq'))).toBe(false)
})

test('--down tells what an outage does, by the clocks of the zone and over midnight', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', APP)
  const down = async (zone: string, hours: string) =>
    JSON.parse(
      (
        await folder.tq([
          'beat',
          '--simulate',
          '2026-03-28',
          '--days',
          '2',
          '--timezone',
          zone,
          '--down',
          hours,
          '--json',
        ])
      ).stdout,
    ).map(({ dueAt, reason }: { dueAt: string; reason: string }) => `${dueAt} ${reason}`)
  expect(await down('Europe/Oslo', '02:00-04:00')).toEqual([
    '2026-03-28T01:00:00+01:00 plain',
    '2026-03-28T02:30:00+01:00 catch-up: fired 5400 s late',
    '2026-03-28T13:00:00+01:00 plain',
    '2026-03-29T01:00:00+01:00 plain',
    '2026-03-29T03:00:00+02:00 dst: 02:30 is skipped, due at the end of the gap; catch-up: fired 3600 s late',
    '2026-03-29T14:00:00+02:00 plain',
  ])
  expect((await down('UTC', '23:00-02:00')).slice(2, 4)).toEqual([
    '2026-03-28T12:00:00+00:00 plain',
    '2026-03-29T01:00:00+00:00 dst: 02:30 is skipped, due at the end of the gap; catch-up: fired 3600 s late',
  ])
})

test('too many are cut at a maximum that is told, and a broken rule is told beside the others', async () => {
  await using folder = await createFolder()
  const broken = "custom('broken', { next: (afterMs) => afterMs }, { task: tidy }),"
  await folder.write('tq.config.ts', APP.replace("every('halves', '12h'", `${broken} every('halves', '100ms'`))
  const { stdout, stderr, exitCode } = await folder.tq(['beat', '--simulate', '2026-10-25', '--days', '31', '--json'])
  expect(JSON.parse(stdout)).toHaveLength(10_000)
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringMatching(/^left out: the rule of "broken" is broken: expected next\(\d+\)/),
    'these are the first 10000 ticks; later ones are left out: ask for fewer days',
  ])
  expect(exitCode).toBe(0)
})

test.each([
  [['--simulate', '2026-02-30'], 'expected --simulate to be a day such as 2026-10-25, got "2026-02-30"'],
  [['--simulate', '25.10.2026'], 'expected --simulate to be a day such as 2026-10-25, got "25.10.2026"'],
  [
    ['--simulate', '2026-10-25', '--timezone', '+02:00'],
    'expected --timezone to be an IANA time zone such as Europe/Oslo, got "+02:00"',
  ],
  [['--simulate', '2026-10-25', '--days', '367'], 'expected --days to be a whole number from 1 to 366, got "367"'],
  [
    ['--simulate', '2026-10-25', '--down', '2-4'],
    'expected --down to be hours of a day such as 02:00-04:00, got "2-4"',
  ],
  [['--simulate', '2026-10-25', '--down', '02:00-02:00'], 'got "02:00-02:00"'],
  [['--simulate', '2026-10-25', '--once'], 'expected --simulate or --once, got both'],
  [['--days', '2'], 'expected --days together with --simulate, got it alone'],
  [['--down', '02:00-04:00'], 'expected --down together with --simulate, got it alone'],
])('beat %j is told what to change', async (flags, says) => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', APP)
  const { stdout, stderr, exitCode } = await folder.tq(['beat', ...flags])
  expect(stderr).toContain(says)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stdout).toBe('')
  expect(exitCode).toBe(2)
})
