import { expect, test } from 'bun:test'
import { jobs, lane, succeed } from '../../../contract/verbs.ts'
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

test('a sweep of expired records is bounded, however many have expired', async () => {
  const { broker, driver } = countedBroker()
  await broker.enqueue(jobs(1_000))
  driver.run(`update tq_job set state = 'succeeded', atMs = 1, finishedAtMs = 1`)
  expect(await broker.prune(100)).toBe(100)
  expect(driver.all('select count(*) as jobs from tq_job')[0]?.jobs).toBe(900)
})
