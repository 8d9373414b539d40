import { existsSync } from 'node:fs'
import { httpBroker } from '../adapters/brokers/http/index.ts'
import { redisBroker } from '../adapters/brokers/redis/index.ts'
import { sqliteBroker } from '../adapters/brokers/sqlite/index.ts'
import { boundsOf, eventsOf, redisOf } from '../adapters/runtimes/variables.ts'
import type { Broker } from '../src/broker.ts'
import { UsageError } from './errors.ts'

export const DEFAULT_DB = '.tq/tq.db'
const IN_MEMORY = ':memory:'

export interface OpenBrokerOptions {
  /** The path of the database; `undefined` is what the environment names, or the default one in the current folder. */
  readonly db: string | undefined
  /** The address of a tq server whose broker it is to be. */
  readonly server?: string | undefined
  /** Whether the jobs may go with this process: only where it runs everything itself. */
  readonly inMemory?: boolean
  /** For commands that only look: a new, empty database would answer for a wrong folder. */
  readonly mustExist?: boolean
}

/** Opens the broker that the command line or the environment names: the one place that chooses. */
export function openBroker({ db, server, inMemory = false, mustExist = false }: OpenBrokerOptions): Broker {
  if (server !== undefined) return openServer(server, db)
  const redis = db === undefined ? redisOf(process.env) : undefined
  if (redis) return redisBroker({ ...redis, ...boundsOf(process.env), ...eventsOf(process.env) })
  return openSqlite(db ?? DEFAULT_DB, inMemory, mustExist)
}

function openServer(url: string, db: string | undefined): Broker {
  if (db !== undefined) throw new UsageError('expected --broker or --db, got both: leave one of them out')
  return httpBroker({ url, token: process.env.TQ_BROKER_TOKEN || undefined })
}

function openSqlite(db: string, inMemory: boolean, mustExist: boolean): Broker {
  if (db === IN_MEMORY && !inMemory)
    throw new UsageError('expected --db to be a file, got :memory:, which ends with this command: only tq dev takes it')
  if (mustExist && !existsSync(db))
    throw new UsageError(`expected a database at ${db}, got no such file: go where tq runs, or pass --db <path>`)
  return sqliteBroker({ path: db, ...boundsOf(process.env), ...eventsOf(process.env) })
}

/** Runs `use` on an open broker and closes it, whatever comes of it. */
export async function withBroker<T>(options: OpenBrokerOptions, use: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = openBroker(options)
  try {
    return await use(broker)
  } finally {
    await broker.close()
  }
}
