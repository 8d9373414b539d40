import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { createClient } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import type { Broker } from '../../../../src/broker.ts'
import { idsOf, job, lane, stateOf } from '../../../contract/verbs.ts'
import { createFolder, type TestFolder } from '../../../support/folder.ts'

let folder: TestFolder
let shop: Database
let broker: Broker
beforeEach(() => {
  folder = createFolder()
  const path = folder.file('shop.db')
  shop = new Database(path, { create: true })
  shop.exec('create table orders (id text)')
  broker = sqliteBroker({ path, besideOtherTables: true })
})
afterEach(async () => {
  await broker.close()
  shop.close()
  folder.remove()
})

test('a job of a transaction that commits is there, together with the rest of it', async () => {
  const tq = createClient({ broker })
  const enqueue = shop.transaction(() => {
    shop.run(`insert into orders values ('one')`)
    return tq.enqueue('mail', { order: 'one' }, { id: 'a', within: shop })
  })
  expect((await enqueue()).created).toBe(true)
  expect(await stateOf(broker, 'a')).toBe('queued')
})

test('a job of a transaction that rolls back was never there', async () => {
  shop.exec('begin')
  expect(await broker.enqueue([job('a')], { within: shop })).toEqual(['created'])
  shop.exec('rollback')
  expect(await stateOf(broker, 'a')).toBeNull()
  expect(await broker.enqueue([job('a', { input: 'another' })])).toEqual(['created'])
})

test('a waiting lane is hinted once the transaction has committed', async () => {
  const hinted = Promise.withResolvers<void>()
  const worker = lane(broker)
  await broker.wake?.listen(worker.id, () => hinted.resolve())
  await worker.wait()
  shop.exec('begin')
  await broker.enqueue([job('a')], { within: shop })
  expect(await stateOf(broker, 'a')).toBeNull()
  shop.exec('commit')
  await hinted.promise
  expect(idsOf(await worker.claim())).toEqual(['a'])
})

test('closing the connection right after the commit costs the hint nothing', async () => {
  const hinted = Promise.withResolvers<void>()
  const worker = lane(broker)
  await broker.wake?.listen(worker.id, () => hinted.resolve())
  await worker.wait()
  shop.exec('begin')
  await broker.enqueue([job('a')], { within: shop })
  shop.exec('commit')
  shop.close()
  await hinted.promise
})

test('a batch takes part in the transaction as a whole, also with jobs that are there already', async () => {
  await broker.enqueue([job('b')])
  shop.exec('begin')
  const outcomes = await broker.enqueue([job('a'), job('b'), job('b', { input: 'another' })], { within: shop })
  shop.exec('commit')
  expect(outcomes).toEqual(['created', 'existing', 'conflict'])
})

test('a database outside a transaction, of another file, or of none is refused', async () => {
  const other = new Database(folder.file('other.db'), { create: true })
  other.exec('begin')
  const memory = new Database(':memory:')
  memory.exec('begin')
  for (const within of [shop, other, memory, {}, null, 'shop.db'])
    await expect(broker.enqueue([job('a')], { within })).rejects.toMatchObject({ name: 'InvalidOption' })
  other.close()
  memory.close()
})

test('a broker in memory takes part in nobody’s transaction', async () => {
  const memory = new Database(':memory:')
  memory.exec('begin')
  const alone = sqliteBroker({ path: ':memory:' })
  await expect(alone.enqueue([job('a')], { within: memory })).rejects.toMatchObject({ name: 'InvalidOption' })
  memory.close()
})
