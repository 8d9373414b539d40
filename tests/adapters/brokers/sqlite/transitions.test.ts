/** What becomes of jobs is kept by the file itself: whoever changes a job need not know of it. */

import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import type { Broker } from '../../../../src/broker.ts'
import { job, jobs, lane, succeed } from '../../../contract/verbs.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { createFolder } from '../../../support/folder.ts'

const folder = createFolder()
let files = 0
const newFile = () => folder.file(`events-${++files}.db`)

const toldBy = async (broker: Broker, after = '0'.repeat(16)) =>
  (await broker.transitions?.({ after }))?.transitions.map(({ id, state }) => `${id} ${state}`)

test('who has opened the file before is told of as well, with a time', async () => {
  const path = newFile()
  const clock = createVirtualClock()
  const before = sqliteBroker({ path, clock })
  const knowing = sqliteBroker({ path, clock, events: true })
  await before.enqueue([job('a')])
  const worker = lane(before)
  await worker.settle(succeed(await worker.claimOne()))
  expect(await toldBy(knowing)).toEqual(['a queued', 'a active', 'a succeeded'])
  const page = await knowing.transitions?.({ after: '0'.repeat(16) })
  expect(page?.transitions.map(({ atMs }) => atMs)).toEqual(Array(3).fill(clock.now()))
  expect(before.transitions).toBeUndefined()
  for (const broker of [before, knowing]) await broker.close()
})

test('the file goes on keeping them until it is told otherwise, and then nobody’s step fails', async () => {
  const path = newFile()
  await sqliteBroker({ path, events: { maxEvents: 500 } }).close()
  const later = sqliteBroker({ path })
  await later.enqueue(jobs(600))
  const kept = await toldBy(later)
  expect([kept?.length, kept?.[0]]).toEqual([500, 'job-0100 queued'])
  const fewer = sqliteBroker({ path, events: { maxEvents: 100 } })
  await fewer.enqueue([job('more')])
  expect(await toldBy(fewer)).toHaveLength(100)
  const off = sqliteBroker({ path, events: false })
  expect(off.transitions).toBeUndefined()
  await later.enqueue([job('a')])
  expect(await toldBy(later)).toEqual([])
  const again = sqliteBroker({ path, events: true })
  await again.enqueue([job('b')])
  expect((await again.transitions?.({ after: '0000000000000601' }))?.gap).toBe(true)
  expect(await toldBy(later)).toEqual(['b queued'])
  for (const broker of [later, fewer, off, again]) await broker.close()
})

test('a reader from before events were off for a while is told of the gap, however many came since', async () => {
  const path = newFile()
  const broker = sqliteBroker({ path, events: true })
  await broker.enqueue(jobs(50))
  const { cursor: after } = (await broker.transitions?.()) ?? { cursor: '' }
  await sqliteBroker({ path, events: false }).close()
  await broker.enqueue([job('untold')])
  await sqliteBroker({ path, events: true }).close()
  expect((await broker.transitions?.())?.transitions).toEqual([])
  await broker.enqueue(jobs(80, 'later'))
  const page = await broker.transitions?.({ after })
  expect([page?.gap, page?.transitions.length]).toEqual([true, 80])
  await broker.close()
})

test('a call of more jobs than events are kept, which is refused, is told nowhere and takes no event with it', async () => {
  const broker = sqliteBroker({ path: newFile(), events: { maxEvents: 100 }, maxReady: 50 })
  await broker.enqueue(jobs(50))
  expect(new Set(await broker.enqueue(jobs(300, 'full')))).toEqual(new Set(['full']))
  await broker.enqueue(jobs(300, 'conflict', { fingerprint: 'one' }).concat(job('job-0000', { fingerprint: 'one' })))
  expect(await toldBy(broker)).toEqual(jobs(50).map(({ id }) => `${id} queued`))
  await broker.close()
})

test('a job that is enqueued within a transaction is told of if that commits', async () => {
  const path = newFile()
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path, clock, events: true })
  const own = new Database(path)
  own.run('begin')
  await broker.enqueue([job('undone')], { within: own })
  own.run('rollback')
  own.run('begin')
  await broker.enqueue([job('done')], { within: own })
  own.run('commit')
  const atMs = clock.now()
  await clock.advance(5)
  const page = await broker.transitions?.({ after: '0'.repeat(16) })
  expect(page?.transitions).toMatchObject([{ id: 'done', state: 'queued', atMs }])
  own.close()
  await broker.close()
})

test('a record whose time is over is not told to be removed, whatever it leaves', async () => {
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path: ':memory:', clock, events: true })
  const worker = lane(broker)
  await broker.enqueue([job('short'), job('long')])
  const [short, long] = await worker.claim(2)
  if (short && long) await worker.settle(succeed(short, '""', 1_000), succeed(long, '""', 7_200_000))
  await clock.advance(1_000)
  expect(await broker.prune()).toBe(1)
  await clock.advance(10_000_000)
  await broker.prune()
  expect((await toldBy(broker))?.filter((line) => line.endsWith('removed'))).toEqual([])
  await broker.close()
})

test.each([99, 1_000_001, 1.5, Number.NaN])('to keep %p events is refused', (maxEvents) => {
  expect(() => sqliteBroker({ path: ':memory:', events: { maxEvents } })).toThrow('expected maxEvents to be')
})
