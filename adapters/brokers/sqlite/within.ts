import { InvalidOption } from '../../../src/errors.ts'
import { type Driver, driverOf } from './driver.ts'

/** The caller's connection, in the middle of a transaction of theirs. */
export interface Joined {
  readonly driver: Driver
  inTransaction(): boolean
}

/** `bun:sqlite` says `inTransaction`, `node:sqlite` `isTransaction`. */
type CallersDatabase = Parameters<typeof driverOf>[1] & {
  readonly inTransaction?: boolean
  readonly isTransaction?: boolean
}

/** One driver per connection: its statements are prepared once. */
const drivers = new WeakMap<object, Driver>()

/** Takes part in the caller's transaction. Throws `InvalidOption` unless it is an open one on the broker's own file. */
export function joinTransaction(broker: Driver, within: unknown): Joined {
  const database = within as CallersDatabase
  if (typeof database !== 'object' || database === null || typeof database.prepare !== 'function')
    throw new InvalidOption('within', 'an open database of bun:sqlite or node:sqlite', typeof within)
  const driver = drivers.get(database) ?? driverOf(broker.path, database)
  drivers.set(database, driver)
  // A database in memory has no name, and no other connection.
  if (fileOf(broker) === '' || fileOf(driver) !== fileOf(broker))
    throw new InvalidOption('within', `a connection to the broker's file ${broker.path}`, 'one to another file')
  const inTransaction = () => {
    try {
      return database.inTransaction ?? database.isTransaction ?? false
    } catch {
      return false // `node:sqlite` throws once the caller has closed it.
    }
  }
  if (!inTransaction()) throw new InvalidOption('within', 'a database inside a transaction', 'one outside')
  return { driver, inTransaction }
}

function fileOf(driver: Driver): string {
  return String(driver.all('pragma database_list').find(({ name }) => name === 'main')?.file)
}

const FIRST_LOOK_MS = 1
const LAST_LOOK_MS = 60_000

/** Calls back once the transaction is over: SQLite tells nobody, so it is asked, less and less often, for two minutes. */
export function afterCommit({ inTransaction }: Joined, then: () => void, delayMs = FIRST_LOOK_MS): void {
  setTimeout(() => {
    if (!inTransaction()) then()
    else if (delayMs < LAST_LOOK_MS) afterCommit({ inTransaction } as Joined, then, delayMs * 2)
  }, delayMs)
}
