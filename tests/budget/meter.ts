/** Counts what a Redis has executed, as a bill would: `INFO commandstats`, with the commands inside scripts. */
import { createClient } from '@redis/client'
import { redisBroker } from '../../adapters/brokers/redis/index.ts'
import type { Broker } from '../../src/broker.ts'
import { settled } from '../support/clock.ts'
import { seededRandom } from '../support/random.ts'
import { startRedisOverHttp } from '../support/redis-http.ts'
import { redisServer } from '../support/redis-server.ts'

type BrokerOptions = Partial<Parameters<typeof redisBroker>[0]>

export interface Meter {
  /** A broker under a prefix of its own. */
  open(options?: BrokerOptions): Bench
  /** Runs `work` and counts what Redis did meanwhile. */
  count(work: () => Promise<unknown>): Promise<Counted>
  close(): Promise<void>
}

export interface Counted {
  readonly total: number
  /** By command: what to look at when the total is too high. */
  readonly by: Readonly<Record<string, number>>
}

export interface Bench {
  readonly broker: Broker
  /** Waits until every call that is under way, and what follows from it, has ended. */
  ended(): Promise<void>
  /** Waits until every hint sent so far has arrived and what it brought about has ended. Costs the one command it returns. */
  rest(): Promise<1>
}

/** Why a test that counts is skipped; undefined where it can count, or where a skip is not allowed. */
export const whyNotCounted: string | undefined =
  redisServer || process.env.TQ_REQUIRE_REDIS === '1' ? undefined : 'no redis-server on the PATH'

export async function startMeter(): Promise<Meter> {
  const redis = await startRedisOverHttp()
  const client = await createClient({ url: redis.redisUrl }).connect()
  const brokers: Broker[] = []

  function open(options: BrokerOptions = {}): Bench {
    const prefix = `budget-${brokers.length}`
    const broker = redisBroker({ url: redis.url, token: redis.token, prefix, random: seededRandom(1), ...options })
    brokers.push(broker)
    const { tracked, ended } = track(broker)
    let marks = 0
    return {
      broker: tracked,
      ended,
      async rest() {
        const heard = Promise.withResolvers<void>()
        const mark = `mark-${++marks}`
        const end = await broker.wake?.listen(mark, () => heard.resolve())
        await client.publish(`{${prefix}}:wake`, mark)
        await heard.promise
        end?.()
        await ended()
        return 1
      },
    }
  }

  return {
    open,
    async count(work) {
      await client.sendCommand(['CONFIG', 'RESETSTAT'])
      await work()
      return readStats(await client.sendCommand(['INFO', 'commandstats']))
    },
    async close() {
      for (const broker of brokers) await broker.close()
      client.destroy()
      await redis.stop()
    },
  }
}

/**
 * Lines such as `cmdstat_zadd:calls=3,usec=...`. The reset counts itself; the question for the counts does not yet. Nor does it count what
 * the gateway's library says of itself on each connection, which a Redis 7.0 does not take.
 */
function readStats(info: unknown): Counted {
  const rows = [...String(info).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(
    ([, name = '', calls]) => [name, Number(calls)] as const,
  )
  const by = Object.fromEntries(rows.filter(([name]) => !/^(config(\||$)|client\|setinfo$)/.test(name)))
  return { total: Object.values(by).reduce((sum, calls) => sum + calls, 0), by }
}

const CALLS = [
  'exchange',
  'peek',
  'enqueue',
  'fire',
  'schedules',
  'setSchedules',
  'deployed',
  'setDeployed',
  'check',
] as const

/** A broker of which it is known when all its calls have ended. */
function track(broker: Broker): { tracked: Broker; ended: () => Promise<void> } {
  const underWay = new Set<Promise<unknown>>()
  const calls = CALLS.map((name) => {
    const call = broker[name] as (...args: unknown[]) => Promise<unknown>
    const through = (...args: unknown[]) => {
      const reply = call(...args)
      const ended = () => void underWay.delete(reply)
      underWay.add(reply)
      reply.then(ended, ended)
      return reply
    }
    return [name, through]
  })
  async function ended(): Promise<void> {
    for (await settled(); underWay.size > 0; await settled()) await Promise.allSettled(underWay)
  }
  return { tracked: { ...broker, ...Object.fromEntries(calls) }, ended }
}
