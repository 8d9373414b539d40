/** Beats in processes of their own that are killed in the middle of what they do. */
import { afterEach, expect, test } from 'bun:test'
import { join } from 'node:path'
import { redisBroker } from 'tq-edge/brokers/redis'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { deploySchedules } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { eventually, openJobs, startStore, TOKEN, withRedis } from '../adapters/brokers/redis/support.ts'
import { createFolder } from '../cli/support.ts'
import { jobsOf } from '../scheduler/support.ts'
import { startProcess, type TestProcess } from '../support/process.ts'
import { app, EVERY_MS } from './scripts/schedules.ts'

const TICKS = 10_000
const BEATS = 5
/** How many are killed at once, one time after the other, evenly over the ticks. */
const KILLS = [1, 2, 1, BEATS, 1, 3, 1, 1, BEATS, 2]
const TIMEOUT_MS = 90_000

let started: TestProcess[] = []
afterEach(async () => {
  for (const beat of started) beat.kill('SIGKILL')
  await Promise.all(started.map(({ exited }) => exited))
  started = []
})

const script = (name: string) => join(import.meta.dir, 'scripts', name)

interface Store {
  readonly broker: Broker
  /** What names it to a beat's process. */
  readonly args: readonly string[]
  /** And to `tq`. */
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Until so many ticks are fired, with single passes of `tq beat --once` beside the beats. */
async function runBeats({ broker, args, flags = [], env = {} }: Store): Promise<void> {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', `export { default } from ${JSON.stringify(script('schedules.ts'))}`)
  const start = () => {
    const beat = startProcess(script('beat.ts'), ...args)
    started.push(beat)
    return beat
  }
  const beats: TestProcess[] = Array.from({ length: BEATS }, start)
  const passes: ReturnType<typeof folder.tq>[] = []
  for (const [at, count] of KILLS.entries()) {
    await eventually(async () => (await openJobs(broker)) >= (TICKS * (at + 1)) / KILLS.length)
    for (const killed of beats.splice(0, count)) killed.kill('SIGKILL')
    if (at % 3 === 0) for (let pass = 0; pass < 2; pass++) passes.push(folder.tq(['beat', '--once', ...flags], { env }))
    while (beats.length < BEATS) beats.push(start())
  }
  for (const { exitCode, stderr } of await Promise.all(passes)) expect([exitCode, stderr]).toEqual([0, ''])
  for (const beat of beats) await beat.line('ready')
  for (const beat of beats) beat.kill('SIGTERM')
  for (const beat of beats) await beat.line('stopped')
}

/** Each due time of each schedule, from the first to the last fired, is to be one job. */
async function expectEachOnce(broker: Broker, firstDueAtMs: ReadonlyMap<string, number | null>): Promise<void> {
  const { schedules } = await broker.schedules()
  const expected = schedules.flatMap(({ name, incarnation, lastDueAtMs }) => {
    const ids: string[] = []
    for (let dueAtMs = firstDueAtMs.get(name) ?? 0; dueAtMs <= (lastDueAtMs ?? 0); dueAtMs += EVERY_MS)
      ids.push(`${name}:${incarnation}:${dueAtMs}`)
    return ids
  })
  const ids = (await jobsOf(broker)).map(({ id }) => id)
  const [fired, due] = [new Set(ids), new Set(expected)]
  expect({
    lost: expected.filter((id) => !fired.has(id)),
    strange: ids.filter((id) => !due.has(id)),
    twice: (await openJobs(broker)) - fired.size + ids.length - fired.size,
  }).toEqual({ lost: [], strange: [], twice: 0 })
  expect(ids.length).toBeGreaterThanOrEqual(TICKS)
}

async function testBeats(store: Store): Promise<void> {
  const { broker } = store
  await deploySchedules({ app, broker, stampMs: 1 })
  const { schedules } = await broker.schedules()
  const firstDueAtMs = new Map(schedules.map(({ name, dueAtMs }) => [name, dueAtMs]))
  await runBeats(store)
  await expectEachOnce(broker, firstDueAtMs)
  await broker.close()
}

withRedis(
  'five beats on Redis that are killed one after the other and all at once lose no tick and fire none twice',
  async () => {
    const { url } = await startStore()
    const broker = redisBroker({ url, token: TOKEN })
    const env = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN }
    await testBeats({ broker, args: [url, TOKEN], env })
  },
  TIMEOUT_MS,
)

test(
  'five beats on one file that are killed one after the other and all at once lose no tick and fire none twice',
  async () => {
    await using folder = await createFolder()
    const path = join(folder.path, 'tq.db')
    await testBeats({ broker: sqliteBroker({ path }), args: [path], flags: ['--db', path] })
  },
  TIMEOUT_MS,
)
