import { existsSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isTqError, StorageFull, UnusableStore } from '../../../src/errors.ts'
import { type Driver, openDriver, transaction } from './driver.ts'
import { COMPATIBLE_FORMAT, FORMAT, MIGRATIONS, SCHEMA } from './schema.ts'

export interface OpenOptions {
  readonly path: string
  /** Lets the broker keep its tables in a database that has others already: your app's. */
  readonly besideOtherTables: boolean
  /** `full` survives a power loss, at some milliseconds a write; `normal` survives every crash of the process. */
  readonly durability: 'normal' | 'full'
  /** The kind of file system that holds a folder, as statfs(2) numbers it. */
  readonly fileSystemType?: (folder: string) => number
}

const IN_MEMORY = ':memory:'
const DEFAULT_FOLDER = '.tq'
/** How long to wait for a lock that another process holds. */
const BUSY_MS = 5_000

/** Opens the broker's database, making the folder, the file and the tables that are missing. */
export function openDatabase({
  path,
  besideOtherTables,
  durability,
  fileSystemType = typeOfFileSystem,
}: OpenOptions): Driver {
  if (path !== IN_MEMORY) prepareFolder(path, fileSystemType)
  const driver = openDriver(path)
  try {
    driver.exec(`pragma busy_timeout = ${BUSY_MS}`)
    requireOurs(driver, besideOtherTables)
    useWriteAheadLog(driver, durability)
    transaction(driver, () => prepareTables(driver))
    return driver
  } catch (error) {
    driver.close()
    throw error
  }
}

function prepareFolder(path: string, fileSystemType: (folder: string) => number): void {
  const folder = dirname(path)
  if (!existsSync(folder)) makeFolder(path, folder)
  const network = NETWORK_FILE_SYSTEMS.get(fileSystemType(folder))
  if (network)
    throw new UnusableStore(
      path,
      'on a local disk',
      `a file on ${network}`,
      'SQLite cannot lock files over a network; use a local path or a Redis broker',
    )
}

function makeFolder(path: string, folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (basename(folder) === DEFAULT_FOLDER) writeFileSync(join(folder, '.gitignore'), '*\n')
  } catch (cause) {
    const { code = 'an error' } = cause as NodeJS.ErrnoException
    if (code === 'ENOSPC') throw new StorageFull(path, { cause })
    const advice = 'check the path, and who may write there'
    throw new UnusableStore(path, 'in a folder that can be made', code, advice, { cause })
  }
}

/** The magic numbers of statfs(2). On them the write-ahead log's shared memory does not work between hosts. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB 2'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x47504653, 'GPFS'],
  [0x0bd00bd0, 'Lustre'],
])

function typeOfFileSystem(folder: string): number {
  return Number(statfsSync(folder).type) >>> 0
}

/** Refuses what is no database of ours before anything is written to it. */
function requireOurs(driver: Driver, besideOtherTables: boolean): void {
  const tables = driver.all(`select name from sqlite_schema where type = 'table'`).map(({ name }) => String(name))
  if (tables.includes('tq_meta')) requireReadable(driver)
  else requireEmpty(driver, tables, besideOtherTables)
}

function requireEmpty(driver: Driver, tables: readonly string[], besideOtherTables: boolean): void {
  const foreign = tables.filter((name) => !name.startsWith('sqlite_'))
  if (foreign.length > 0 && !besideOtherTables)
    throw new UnusableStore(
      driver.path,
      'a database of tq',
      `one with ${foreign.length} other tables`,
      'name another path, or pass besideOtherTables: true to keep jobs in it',
    )
}

function requireReadable(driver: Driver): void {
  const meta = new Map(driver.all('select key, value from tq_meta').map(({ key, value }) => [key, Number(value)]))
  const compatible = meta.get('compatibleFormat') ?? 0
  if (compatible > FORMAT)
    throw new UnusableStore(
      driver.path,
      `a database of format ${FORMAT} or one compatible with it`,
      `format ${meta.get('format')}, compatible back to ${compatible}`,
      'update tq-edge in this process',
    )
}

function useWriteAheadLog(driver: Driver, durability: 'normal' | 'full'): void {
  if (driver.path !== IN_MEMORY) enterWriteAheadLog(driver)
  driver.exec(`pragma synchronous = ${durability}`)
  driver.exec('pragma wal_autocheckpoint = 4000')
  driver.exec('pragma cache_size = -32768')
  driver.exec('pragma temp_store = memory')
}

/**
 * The change of mode wants the file for itself, and SQLite does not wait for that as it does for other locks: processes
 * that open a fresh file together try again. Nothing else can run meanwhile, so the wait blocks, as SQLite's own does.
 */
function enterWriteAheadLog(driver: Driver): void {
  const untilMs = performance.now() + BUSY_MS
  for (;;) {
    try {
      driver.all('pragma journal_mode = wal')
      return
    } catch (error) {
      if (!isTqError(error, 'BrokerUnavailable') || performance.now() > untilMs) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

/** Step by step from the format that the database has. One that is newer, and still compatible, stays as it is. */
function migrate(driver: Driver): void {
  const [stored] = driver.all(`select value from tq_meta where key = 'format'`)
  for (let format = Number(stored?.value); format < FORMAT; format++) {
    driver.exec(MIGRATIONS.get(format) ?? '')
    driver.run(`update tq_meta set value = ? where key = 'format'`, format + 1)
  }
}

/** In one transaction: two processes that start together find the tables missing only once. */
function prepareTables(driver: Driver): void {
  const exist = driver.all(`select 1 from sqlite_schema where name = 'tq_meta'`).length > 0
  if (exist) migrate(driver)
  else createTables(driver)
}

function createTables(driver: Driver): void {
  driver.exec(SCHEMA)
  driver.run(`insert into tq_meta values ('format', ?), ('compatibleFormat', ?)`, FORMAT, COMPATIBLE_FORMAT)
}
