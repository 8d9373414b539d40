import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UnusableStore } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { finished, job, jobs, lane, stateOf, succeed } from '../../../contract/verbs.ts'
import { createFolder, type TestFolder } from '../../../support/folder.ts'
import { countedBroker } from './support.ts'

let folder: TestFolder
beforeEach(() => {
  folder = createFolder()
})
afterEach(() => folder.remove())

const unusable = (facts: object = {}) => expect.objectContaining({ name: 'UnusableStore', ...facts })
const ADAPTER = join(import.meta.dir, '../../../../adapters/brokers/sqlite/index.ts')

test('the default folder is made for its owner alone, and ignored by git', async () => {
  const path = folder.file('.tq', 'tq.db')
  await sqliteBroker({ path }).close()
  expect(statSync(folder.file('.tq')).mode & 0o777).toBe(0o700)
  expect(readFileSync(folder.file('.tq', '.gitignore'), 'utf8')).toBe('*\n')
})

test('a folder of another name gets no .gitignore, and one that is there stays as it is', async () => {
  mkdirSync(folder.file('.tq'), { mode: 0o755 })
  await sqliteBroker({ path: folder.file('.tq', 'tq.db') }).close()
  await sqliteBroker({ path: folder.file('deep', 'data', 'tq.db') }).close()
  expect(existsSync(folder.file('.tq', '.gitignore'))).toBe(false)
  expect(existsSync(folder.file('deep', 'data', '.gitignore'))).toBe(false)
})

test('a file that is no database is refused, and stays as it was', () => {
  const path = folder.file('notes.txt')
  writeFileSync(path, 'dear diary, '.repeat(1_000))
  expect(() => sqliteBroker({ path })).toThrow(unusable({ where: path }))
  expect(readFileSync(path, 'utf8')).toStartWith('dear diary')
})

test('a database that was damaged is refused', async () => {
  const path = folder.file('tq.db')
  const broker = sqliteBroker({ path })
  await broker.enqueue(jobs(500))
  await broker.close()
  const bytes = readFileSync(path)
  bytes.fill(0xff, 0, 8_192)
  writeFileSync(path, bytes)
  expect(() => sqliteBroker({ path })).toThrow(unusable())
})

test('a page that is damaged in the middle is a typed error, and the worker’s exchange says so', async () => {
  const path = folder.file('tq.db')
  const broker = sqliteBroker({ path })
  await broker.enqueue(jobs(500))
  await broker.close()
  const bytes = readFileSync(path)
  bytes.fill(0xff, 8_192)
  writeFileSync(path, bytes)
  const attempt = async () => {
    const damaged = sqliteBroker({ path })
    try {
      await lane(damaged).claim(500)
    } finally {
      await damaged.close()
    }
  }
  await expect(attempt()).rejects.toMatchObject({ name: 'UnusableStore' })
})

test('a database with other tables is refused, unless it is said to be one’s own', async () => {
  const path = folder.file('shop.db')
  const shop = new Database(path)
  shop.exec('create table orders (id integer primary key)')
  shop.close()
  expect(() => sqliteBroker({ path })).toThrow(unusable({ advice: expect.stringContaining('besideOtherTables') }))
  const broker = sqliteBroker({ path, besideOtherTables: true })
  expect(await broker.enqueue([job('a')])).toEqual(['created'])
  await broker.close()
})

test('a database of a newer breaking format is refused with both formats', async () => {
  const path = folder.file('tq.db')
  const { broker, driver } = countedBroker(path)
  driver.run(`update tq_meta set value = 9 where key in ('format', 'compatibleFormat')`)
  await broker.close()
  expect(() => sqliteBroker({ path })).toThrow(
    unusable({ expected: expect.stringContaining('format 6'), got: expect.stringContaining('9') }),
  )
})

test('a database of the first format is brought up to date with the jobs it holds', async () => {
  const path = folder.file('tq.db')
  const { broker, driver } = countedBroker(path)
  await broker.enqueue([job('a')])
  driver.exec('drop index tq_callback')
  for (const column of ['ahead', 'tags', 'fingerprint', 'callbacks'])
    driver.exec(`alter table tq_job drop column ${column}`)
  driver.exec('drop table tq_ahead')
  driver.exec('drop table tq_turn')
  driver.exec('drop index tq_blocked')
  driver.exec('drop index tq_schedule_due_of')
  driver.exec('drop index tq_schedule_removed')
  driver.exec('create index tq_schedule_due on tq_schedule (dueAtMs)')
  driver.exec('drop table tq_beat')
  driver.exec('drop table tq_run')
  driver.exec('drop table tq_rate')
  driver.run(`update tq_meta set value = 1 where key = 'format'`)
  await broker.close()
  const updated = countedBroker(path)
  const [held] = await lane(updated.broker).claim(1, { ahead: 1 })
  expect(held?.id).toBe('a')
  await updated.broker.enqueue([job('tagged', { tags: ['eu'] })])
  expect((await updated.broker.list({ tag: 'eu' })).jobs).toMatchObject([{ id: 'tagged', tags: ['eu'] }])
  expect(updated.driver.all('select * from tq_ahead')).toEqual([])
  for (const table of ['tq_turn', 'tq_run', 'tq_rate']) expect(updated.driver.all(`select * from ${table}`)).toEqual([])
  expect(updated.driver.all(`select name from sqlite_schema where name like 'tq_schedule_due%'`)).toEqual([
    { name: 'tq_schedule_due_of' },
  ])
  expect(await updated.broker.beats()).toEqual([])
  expect(updated.driver.all(`select value from tq_meta where key = 'format'`)).toEqual([{ value: 6 }])
  await updated.broker.close()
})

test('a database of a newer format that is compatible is used', async () => {
  const path = folder.file('tq.db')
  const { broker, driver } = countedBroker(path)
  driver.run(`update tq_meta set value = 9 where key = 'format'`)
  await broker.close()
  await sqliteBroker({ path }).close()
})

test('a path that is a folder is a typed error', () => {
  expect(() => sqliteBroker({ path: folder.path })).toThrow(unusable({ where: folder.path }))
})

test('a database that may not be written to is a typed error', async () => {
  const { broker, driver } = countedBroker(folder.file('tq.db'))
  driver.exec('pragma query_only = 1')
  await expect(broker.enqueue([job('a')])).rejects.toMatchObject({ name: 'UnusableStore', got: 'a read-only file' })
  await broker.close()
})

test.each([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
])('a database on a network file system is refused with the reason (%p)', (type, name) => {
  const open = () => sqliteBroker({ path: folder.file('tq.db'), fileSystemType: () => type })
  expect(open).toThrow(unusable({ got: expect.stringContaining(name), advice: expect.stringContaining('local path') }))
  expect(existsSync(folder.file('tq.db'))).toBe(false)
})

test('a full disk is a typed error, takes nothing that was accepted, and passes', async () => {
  const { broker, driver } = countedBroker(folder.file('tq.db'))
  await broker.enqueue(jobs(100))
  driver.exec(`pragma max_page_count = ${Number(driver.all('pragma page_count')[0]?.page_count) + 2}`)
  const large = jobs(100, 'large', { input: `"${'x'.repeat(2_000)}"` })
  await expect(broker.enqueue(large)).rejects.toMatchObject({ name: 'StorageFull' })
  expect((await broker.stats()).queues[0]?.counts).toEqual({ queued: 100 })
  driver.exec('pragma max_page_count = 1073741823')
  expect(new Set(await broker.enqueue(large))).toEqual(new Set(['created']))
  await broker.close()
})

test('what is stored is there after closing and opening again', async () => {
  const path = folder.file('tq.db')
  const before = sqliteBroker({ path })
  await finished(before, lane(before), 'done')
  await before.enqueue([job('waiting')])
  await before.close()
  const after = sqliteBroker({ path, durability: 'full' })
  expect([await stateOf(after, 'done'), await stateOf(after, 'waiting')]).toEqual(['succeeded', 'queued'])
  await after.close()
})

test('several connections share one file', async () => {
  const brokers = Array.from({ length: 4 }, () => sqliteBroker({ path: folder.file('tq.db') }))
  await Promise.all(brokers.map((broker, at) => broker.enqueue(jobs(50, `from-${at}`))))
  const claimed = await Promise.all(brokers.map((broker, at) => lane(broker, `worker.${at}.0`).claim(50)))
  const ids = new Set(claimed.flat().map(({ id }) => id))
  expect(ids.size).toBe(200)
  await Promise.all(
    brokers.map((broker, at) =>
      lane(broker, `worker.${at}.1`).settle(...(claimed[at] ?? []).map((held) => succeed(held))),
    ),
  )
  expect((await brokers[0]?.stats())?.queues[0]?.counts).toEqual({ succeeded: 200 })
  for (const broker of brokers) await broker.close()
})

test('two brokers in memory share nothing', async () => {
  const [a, b] = [sqliteBroker({ path: ':memory:' }), sqliteBroker({ path: ':memory:' })]
  await a.enqueue([job('a')])
  expect(await stateOf(b, 'a')).toBeNull()
})

/** A Node before 22.5 has no SQLite at all. */
const node = Bun.which('node')
const [major = 99] = node ? (/\d+/.exec(Bun.spawnSync([node, '--version']).stdout.toString()) ?? []).map(Number) : []

test.skipIf(major >= 22)('Node 20, which has no SQLite, is told what to do (needs a `node` before 22)', async () => {
  const entry = folder.file('old.ts')
  const attempt = `try { sqliteBroker() } catch (error) { console.log(error.name + ': ' + error.message) }`
  writeFileSync(entry, `import { sqliteBroker } from ${JSON.stringify(ADAPTER)}\n${attempt}`)
  await Bun.build({ entrypoints: [entry], target: 'node', outdir: folder.path, naming: 'old.mjs' })
  const { stdout } = Bun.spawnSync([String(node), folder.file('old.mjs')], { cwd: folder.path })
  expect(stdout.toString()).toMatch(
    /^Unsupported: expected a runtime with SQLite built in, got Node v\d+.*: use Node 22.13/,
  )
})

test('a runtime without SQLite is told what to do', async () => {
  const script = folder.file('without.mjs')
  const source = await new Bun.Transpiler({ loader: 'ts' }).transform(
    `import { sqliteBroker } from ${JSON.stringify(ADAPTER)}
     process.getBuiltinModule = () => undefined
     try { sqliteBroker({ path: ':memory:' }) } catch (error) { console.log(error.name + ': ' + error.message) }`,
  )
  writeFileSync(script, source)
  const { stdout } = Bun.spawnSync([process.execPath, script])
  expect(stdout.toString()).toMatch(
    /^Unsupported: expected a runtime with SQLite built in, got .*: use Node 22.13 or newer/,
  )
})

test('a path through a file is refused with what is wrong, not with a system error', () => {
  const path = folder.file('notes.txt')
  writeFileSync(path, 'hello')
  expect(() => sqliteBroker({ path: join(path, 'deep', 'tq.db') })).toThrow(UnusableStore)
})
