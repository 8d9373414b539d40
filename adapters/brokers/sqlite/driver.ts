import { BrokerUnavailable, isTqError, StorageFull, toError, Unsupported, UnusableStore } from '../../../src/errors.ts'

export type SqlValue = string | number | null
export type Row = Record<string, SqlValue>

/** The little of SQLite that the broker uses, the same on `bun:sqlite` and `node:sqlite`. Statements are prepared once. */
export interface Driver {
  readonly path: string
  /** Runs a statement and reads all its rows. */
  all(sql: string, ...values: SqlValue[]): Row[]
  /** Runs a statement and says how many rows it changed. */
  run(sql: string, ...values: SqlValue[]): number
  exec(sql: string): void
  close(): void
}

/** What `bun:sqlite` Database and `node:sqlite` DatabaseSync have in common, as far as it is needed here. */
interface Handle {
  prepare(sql: string): Statement
  exec(sql: string): unknown
  close(): void
}

interface Statement {
  /** `bun:sqlite` only. */
  finalize?(): void
  all(...values: SqlValue[]): unknown[]
  run(...values: SqlValue[]): { changes: number | bigint }
}

type BuiltinModules = {
  'bun:sqlite'?: {
    Database: new (path: string, options: { create: boolean; readwrite: boolean; strict: boolean }) => Handle
  }
  'node:sqlite'?: { DatabaseSync: new (path: string) => Handle }
}

/** Opens a database with whatever SQLite this runtime has. Throws `Unsupported` where it has none. */
export function openDriver(path: string): Driver {
  const load = <M extends keyof BuiltinModules>(name: M) =>
    globalThis.process?.getBuiltinModule?.(name) as BuiltinModules[M]
  const bun = load('bun:sqlite')
  if (bun)
    return driverOf(
      path,
      guarded(path, () => new bun.Database(path, { create: true, readwrite: true, strict: true })),
    )
  const node = withoutExperimentalWarning(() => load('node:sqlite'))
  if (node)
    return driverOf(
      path,
      guarded(path, () => new node.DatabaseSync(path)),
    )
  const found = globalThis.process?.version ? `Node ${globalThis.process.version}` : 'a runtime without it'
  throw new Unsupported(
    'a runtime with SQLite built in',
    found,
    'use Node 22.13 or newer, Bun or Deno, or a Redis broker (UPSTASH_REDIS_REST_URL)',
  )
}

/** The driver of a connection that the caller has opened: for taking part in their transaction. */
export function driverOf(path: string, handle: Handle): Driver {
  const statements = new Map<string, Statement>()
  const prepared = (sql: string): Statement => {
    const known = statements.get(sql)
    if (known) return known
    const statement = handle.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
  return {
    path,
    all: (sql, ...values) => guarded(path, () => prepared(sql).all(...values) as Row[]),
    run: (sql, ...values) => guarded(path, () => Number(prepared(sql).run(...values).changes)),
    exec: (sql) => guarded(path, () => void handle.exec(sql)),
    close() {
      // With a statement left open SQLite keeps the connection alive behind our back, and its log beside the file.
      for (const statement of statements.values()) statement.finalize?.()
      statements.clear()
      handle.close()
    },
  }
}

/** Runs `step` as one transaction: all of it, or nothing when it throws. */
export function transaction<T>(driver: Driver, step: () => T): T {
  driver.run('begin immediate')
  try {
    const outcome = step()
    driver.run('commit')
    return outcome
  } catch (error) {
    rollback(driver)
    throw error
  }
}

function rollback(driver: Driver): void {
  try {
    driver.run('rollback')
  } catch {
    // SQLite has rolled back by itself (disk full, I/O error); the error that led here says more.
  }
}

function guarded<T>(path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw toTypedError(path, toError(error))
  }
}

/** https://www.sqlite.org/rescode.html: the primary code is the low byte. */
const BUSY = [5, 6]
const READ_ONLY = 8
const IO_ERROR = 10
/** The log's shared memory could not grow: how a full disk shows while a database is opened. */
const IO_ERROR_SHMSIZE = 4874
const CORRUPT = [11, 26]
const FULL = 13
const CANNOT_OPEN = 14

function toTypedError(path: string, error: Error & { errno?: number; errcode?: number }): Error {
  if (isTqError(error)) return error
  const extended = error.errcode ?? error.errno ?? 0
  const code = extended & 0xff
  const cause = { cause: error }
  if (BUSY.includes(code)) return new BrokerUnavailable('sqlite', 'a database that stayed locked for 5 s', cause)
  if (extended === IO_ERROR_SHMSIZE) return new StorageFull(path, cause)
  if (code === IO_ERROR) return new BrokerUnavailable('sqlite', 'an input/output error', cause)
  if (code === FULL) return new StorageFull(path, cause)
  if (code === READ_ONLY)
    return new UnusableStore(path, 'writable', 'a read-only file', 'check its owner and mode', cause)
  if (code === CANNOT_OPEN)
    return new UnusableStore(
      path,
      'a file that can be opened',
      'none',
      'check the path and who may write to its folder',
      cause,
    )
  if (CORRUPT.includes(code))
    return new UnusableStore(
      path,
      'an intact SQLite database',
      'a corrupt or foreign file',
      'move it away, or restore a copy',
      cause,
    )
  return error
}

/** Node 22 warns that SQLite is experimental; the user has no part in that. Other warnings pass. */
function withoutExperimentalWarning<T>(load: () => T): T {
  const { process } = globalThis
  if (!process?.emitWarning) return load()
  const emitWarning = process.emitWarning
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes('SQLite is an experimental feature'))
      emitWarning.call(process, warning as string, ...rest)
  }) as typeof emitWarning
  try {
    return load()
  } finally {
    process.emitWarning = emitWarning
  }
}
