import { expect, test } from 'bun:test'
import { overlapTick } from '../../../contract/broker/overlap.ts'
import { remove, set } from '../../../contract/broker/schedules.ts'
import { job, jobs, lane, succeed } from '../../../contract/verbs.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { countedBroker } from './support.ts'

const count = (statements: readonly string[], word: RegExp) => statements.filter((sql) => word.test(sql)).length

async function exchangeOf(size: number): Promise<readonly string[]> {
  const { broker, takeStatements } = countedBroker()
  await broker.enqueue(jobs(2 * size))
  const worker = lane(broker)
  const first = await worker.claim(size)
  takeStatements()
  const { jobs: second } = await worker.exchange({ want: size, settle: first.map((held) => succeed(held)) })
  expect(second).toHaveLength(size)
  return takeStatements()
}

test('an exchange that settles 100 jobs and claims 100 is one transaction of few statements', async () => {
  const statements = await exchangeOf(100)
  expect(count(statements, /^begin/)).toBe(1)
  expect(count(statements, /^commit/)).toBe(1)
  expect(statements.length).toBeLessThanOrEqual(20)
})

test('an exchange of 100 runs as many statements as one of 10', async () => {
  expect(await exchangeOf(100)).toEqual(await exchangeOf(10))
})

test('an enqueue of 1,000 is one transaction, and a statement for many jobs', async () => {
  const { broker, takeStatements } = countedBroker()
  takeStatements()
  await broker.enqueue(jobs(1_000))
  const statements = takeStatements()
  expect(count(statements, /^begin/)).toBe(1)
  expect(statements.length).toBeLessThanOrEqual(70)
})

test('schedules that come and go take room for a day: their rows and turns', async () => {
  const clock = createVirtualClock()
  const { broker, driver } = countedBroker(':memory:', clock)
  const rowsOf = (table: string) => driver.all(`select 1 from ${table}`).length
  for (let day = 0; day < 3; day++) {
    const names = Array.from({ length: 300 }, (_, n) => `${day}-${n}`)
    await broker.setSchedules(names.map((name) => set(name, { dueAtMs: clock.now() })))
    await broker.fire(names.map((schedule) => overlapTick(clock.now(), 0, 'skip', { schedule })))
    await broker.setSchedules(names.map((name) => remove(name)))
    expect([rowsOf('tq_schedule'), rowsOf('tq_turn')]).toEqual([300, 300])
    await clock.advance(86_400_000)
  }
})

test('a sweep of expired records is bounded, however many have expired', async () => {
  const { broker, driver } = countedBroker()
  await broker.enqueue(jobs(1_000))
  driver.run(`update tq_job set state = 'succeeded', atMs = 1, finishedAtMs = 1`)
  expect(await broker.prune(100)).toBe(100)
  expect(driver.all('select count(*) as jobs from tq_job')[0]?.jobs).toBe(900)
})

/** What runs where so many schedules are stored, of two apps and most of them not due. */
async function passOver(stored: number): Promise<{ statements: readonly string[]; plans: readonly string[] }> {
  const clock = createVirtualClock()
  const { broker, driver, takeStatements } = countedBroker(':memory:', clock)
  const later = Array.from({ length: stored }, (_, at) =>
    set(`later-${at}`, { app: at % 2 ? 'app' : 'another app', dueAtMs: clock.now() + 60_000 + at }),
  )
  for (let from = 0; from < stored; from += 1_000) await broker.setSchedules(later.slice(from, from + 1_000))
  await broker.setSchedules([set('due', { dueAtMs: clock.now() })])
  takeStatements()
  const { schedules } = await broker.schedules({ due: true, app: 'app' })
  const [{ name = '', revision = 0, dueAtMs = null } = {}] = schedules
  await broker.fire([
    { schedule: name, revision, dueAtMs: dueAtMs ?? 0, nextDueAtMs: clock.now() + 1, job: job('due.1') },
  ])
  await broker.schedules({ due: true, app: 'app', cursor: `${clock.now()}|due` })
  await broker.schedules({ limit: 50, cursor: 'later-1' })
  await broker.schedules({ names: ['due'] })
  await broker.deployed('app')
  const statements = takeStatements()
  const explained = statements.filter((sql) => /tq_schedule/.test(sql))
  const plans = explained.flatMap((sql) => driver.all(`explain query plan ${sql}`).map(({ detail }) => String(detail)))
  return { statements, plans }
}

test('a pass over schedules and a page of them take as many statements with 1,000 stored as with 10,000', async () => {
  expect((await passOver(1_000)).statements).toEqual((await passOver(10_000)).statements)
})

test('what a pass reads of schedules, and a page of them, is found by an index', async () => {
  const { plans } = await passOver(10)
  expect(plans.length).toBeGreaterThan(6)
  expect(plans.filter((plan) => /SCAN tq_schedule/.test(plan))).toEqual([])
})
