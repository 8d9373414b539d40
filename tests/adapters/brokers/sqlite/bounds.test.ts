/** The bounds of a queue are exact, whoever else writes to the file, although jobs are not counted at each enqueue. */

import { Database } from 'bun:sqlite'
import { afterAll, expect, test } from 'bun:test'
import { createClient } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import type { Broker } from '../../../../src/broker.ts'
import { job, jobs, lane, release, retryIn, succeed } from '../../../contract/verbs.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { createFolder, type TestFolder } from '../../../support/folder.ts'
import { seededRandom } from '../../../support/random.ts'
import { countedBroker } from './support.ts'

const MAX = 10

const folders: TestFolder[] = []
afterAll(() => {
  for (const folder of folders) folder.remove()
})

function newFolder(): TestFolder {
  const folder = createFolder()
  folders.push(folder)
  return folder
}

async function queued(broker: Broker): Promise<number> {
  return (await broker.stats()).queues[0]?.counts.queued ?? 0
}

test.each([1, 2, 3, 4, 5, 6])(
  'two brokers on one file and their workers never see more than the bound (seed %d)',
  async (seed) => {
    const folder = newFolder()
    const clock = createVirtualClock()
    const random = seededRandom(seed)
    const whenFull = seed % 2 === 0 ? 'drop-oldest' : 'reject'
    const open = () => sqliteBroker({ path: folder.file('tq.db'), clock, random, maxReady: MAX, whenFull })
    const brokers = [open(), open()]
    const lanes = brokers.map((broker, at) => lane(broker, `worker.1.${at}`))
    let ids = 0
    for (let step = 0; step < 300; step++) {
      const at = random() < 0.5 ? 0 : 1
      const [broker, worker] = [brokers[at] as Broker, lanes[at] as (typeof lanes)[0]]
      const size = 1 + Math.floor(random() * 4)
      if (random() < 0.4) {
        const claimed = await worker.claim(size)
        const ends = [succeed, release, (held: Parameters<typeof succeed>[0]) => retryIn(held, 1_000)]
        await worker.settle(...claimed.map((held) => (ends[Math.floor(random() * 3)] as typeof succeed)(held)))
        if (random() < 0.2) await clock.advance(1_000)
        continue
      }
      const before = await queued(broker)
      const outcomes = await broker.enqueue(jobs(size, `step-${ids++}`))
      const fits = before + size <= MAX
      expect(new Set(outcomes)).toEqual(new Set([fits || whenFull === 'drop-oldest' ? 'created' : 'full']))
      // Jobs that went back may be more than the bound: then a queue that drops comes down to it.
      if (whenFull === 'drop-oldest') expect(await queued(broker)).toBe(Math.min(MAX, before + size))
      else expect(await queued(broker)).toBe(fits ? before + size : before)
    }
    for (const broker of brokers) await broker.close()
  },
)

test('jobs are not counted while there is room for all that this process has changed', async () => {
  const { broker, takeStatements } = countedBroker(':memory:', createVirtualClock(), { maxReady: 100 })
  const counted = async (size: number, prefix: string) => {
    await broker.enqueue(jobs(size, prefix))
    return takeStatements().filter((sql) => sql.includes('count(')).length
  }
  expect(await counted(10, 'a')).toBe(1)
  expect(await counted(80, 'b')).toBe(0)
  expect(await counted(10, 'c')).toBe(0)
  expect(await counted(1, 'd')).toBe(1)
})

test('without bounds nothing is counted', async () => {
  const { broker, takeStatements } = countedBroker()
  await broker.enqueue(jobs(100))
  expect(takeStatements().filter((sql) => /count\(|total_changes/.test(sql))).toEqual([])
})

test('a queue is bounded and drops within a transaction of the caller’s too, and is as it was when that rolls back', async () => {
  const folder = newFolder()
  const path = folder.file('tq.db')
  const broker = sqliteBroker({ path, maxReady: 2, whenFull: 'drop-oldest' })
  const tq = createClient({ broker })
  await broker.enqueue([job('a'), job('b')])
  const db = new Database(path)
  const within = (id: string) => void tq.enqueue('digest', 1, { id, within: db }).catch(() => {})
  db.run('begin immediate')
  within('c')
  db.run('rollback')
  expect((await broker.get(['a', 'c'])).map((record) => record?.state)).toEqual(['queued', undefined])
  db.run('begin immediate')
  within('c')
  db.run('commit')
  expect((await broker.get(['a', 'b', 'c'])).map((record) => record?.state)).toEqual(['cancelled', 'queued', 'queued'])
  db.close()
  await broker.close()
})

test.each([{ maxReady: 0 }, { maxTimed: 1.5 }, { whenFull: 'drop' as 'reject' }])('%p is refused', (bounds) => {
  expect(() => sqliteBroker({ path: ':memory:', ...bounds })).toThrow(
    expect.objectContaining({ name: 'InvalidOption' }),
  )
})
