import { existsSync } from 'node:fs'
import { redisBroker } from '../adapters/brokers/redis/index.ts'
import { sqliteBroker } from '../adapters/brokers/sqlite/index.ts'
import type { QueueBounds } from '../src/bounds.ts'
import type { Broker } from '../src/broker.ts'
import { given } from './args.ts'
import { UsageError } from './errors.ts'

export const DEFAULT_DB = '.tq/tq.db'
const IN_MEMORY = ':memory:'

export interface OpenBrokerOptions {
  /** The path of the database; `undefined` is what the environment names, or the default one in the current folder. */
  readonly db: string | undefined
  /** Whether the jobs may go with this process: only where it runs everything itself. */
  readonly inMemory?: boolean
  /** For commands that only look: a new, empty database would answer for a wrong folder. */
  readonly mustExist?: boolean
}

/** Opens the broker that the command line or the environment names: the one place that chooses. */
export function openBroker({ db, inMemory = false, mustExist = false }: OpenBrokerOptions): Broker {
  const redis = db === undefined ? redisOfEnvironment() : undefined
  if (redis) return redisBroker({ ...redis, ...boundsOfEnvironment() })
  return openSqlite(db ?? DEFAULT_DB, inMemory, mustExist)
}

function openSqlite(db: string, inMemory: boolean, mustExist: boolean): Broker {
  if (db === IN_MEMORY && !inMemory)
    throw new UsageError('expected --db to be a file, got :memory:, which ends with this command: only tq dev takes it')
  if (mustExist && !existsSync(db))
    throw new UsageError(`expected a database at ${db}, got no such file: go where tq runs, or pass --db <path>`)
  return sqliteBroker({ path: db, ...boundsOfEnvironment() })
}

/** Upstash's names, and those that Vercel gives to the same. */
const NAMES = [
  ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'],
  ['KV_REST_API_URL', 'KV_REST_API_TOKEN'],
] as const

function redisOfEnvironment() {
  for (const [urlName, tokenName] of NAMES) {
    const { [urlName]: url, [tokenName]: token, TQ_PREFIX: prefix } = process.env
    if (!url) continue
    if (!token) throw new UsageError(`expected ${tokenName} beside ${urlName}, got none: set it, or pass --db <path>`)
    return { url, token, ...(prefix ? { prefix } : {}) }
  }
  return undefined
}

/** What a queue may hold, for both brokers. The broker checks what is said. */
function boundsOfEnvironment(): QueueBounds {
  const { TQ_MAX_READY, TQ_MAX_TIMED, TQ_WHEN_FULL } = process.env
  const number = (text: string | undefined) => (text ? Number(text) : undefined)
  return given({
    maxReady: number(TQ_MAX_READY),
    maxTimed: number(TQ_MAX_TIMED),
    whenFull: (TQ_WHEN_FULL || undefined) as QueueBounds['whenFull'],
  })
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
