import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createSqliteBroker } from '../../../../adapters/brokers/sqlite/broker.ts'
import { openDatabase } from '../../../../adapters/brokers/sqlite/open.ts'
import type { Broker } from '../../../../src/broker.ts'
import { BrokerUnavailable } from '../../../../src/errors.ts'
import { job, lane, stateOf } from '../../../contract/verbs.ts'
import { createVirtualClock, settled } from '../../../support/clock.ts'
import { createFolder, type TestFolder } from '../../../support/folder.ts'
import { countedBroker } from './support.ts'

let folder: TestFolder
let path: string
const open: Broker[] = []
beforeEach(() => {
  folder = createFolder()
  path = folder.file('tq.db')
})
afterEach(async () => {
  for (const broker of open.splice(0)) await broker.close()
  folder.remove()
})

function opened(broker: Broker): Broker {
  open.push(broker)
  return broker
}

test('a step that is committed does not fail because nobody can be hinted', async () => {
  mkdirSync(`${path}-wake`)
  await lane(opened(sqliteBroker({ path })), 'elsewhere.1.0').wait()
  const broker = opened(sqliteBroker({ path }))
  expect(await broker.enqueue([job('a')])).toEqual(['created'])
  expect(await stateOf(broker, 'a')).toBe('queued')
})

test('workers that wait no more are not named in the place of one that does', async () => {
  const broker = opened(sqliteBroker({ path: ':memory:', clock: createVirtualClock() }))
  const hinted: string[] = []
  const listen = (id: string) => broker.wake?.listen(id, () => void hinted.push(id))
  await listen('stays.1.0')
  await lane(broker, 'stays.1.0').wait(60_000)
  for (const id of ['goes.1.0', 'goes.2.0']) {
    const end = await listen(id)
    await lane(broker, id).wait(90_000)
    end?.()
  }
  await broker.enqueue([job('a')])
  await settled()
  expect(hinted).toEqual(['stays.1.0'])
})

test('a lane whose reply was lost after the commit is hinted by another process once it has sent its exchange again', async () => {
  const driver = openDatabase({ path, besideOtherTables: false, durability: 'normal' })
  let losing = false
  const broken = {
    ...driver,
    run(sql: string, ...values: (string | number | null)[]) {
      const changed = driver.run(sql, ...values)
      if (losing && sql === 'commit') throw new BrokerUnavailable('sqlite', 'an input/output error')
      return changed
    },
  }
  const broker = opened(createSqliteBroker(broken, createVirtualClock(), () => 0.5))
  const other = opened(sqliteBroker({ path, clock: createVirtualClock() }))
  const worker = lane(broker)
  const hint = Promise.withResolvers<void>()
  await broker.wake?.listen(worker.id, () => hint.resolve())
  losing = true
  await expect(worker.wait()).rejects.toThrow('input/output')
  losing = false
  expect((await worker.again()).jobs).toEqual([])
  await other.enqueue([job('a')])
  await hint.promise
})

const PRESENCE = { worker: 'w', queues: ['default'], concurrency: 1, running: 0, runtime: 'test', startedAtMs: 0 }

test('what workers and waiters of long ago have left goes with the exchange in which one says that it is there', async () => {
  const clock = createVirtualClock()
  const { broker, driver } = countedBroker(':memory:', clock)
  for (let start = 0; start < 20; start++) await lane(broker, `gone.${start}.0`).wait(60_000)
  await broker.enqueue([job('a', { queue: 'other' })])
  await broker.get(['a'], { waiter: 'result.1', waitMs: 20_000 })
  await clock.advance(3_600_001)
  await lane(broker, 'here.1.0').exchange({ presence: PRESENCE })
  expect(driver.all('select lane from tq_lane')).toEqual([{ lane: 'here.1.0' }])
  expect(driver.all('select waiter from tq_waiting')).toEqual([])
})
