import { Redis } from '@upstash/redis/cloudflare'
import { BrokerRefused, BrokerUnavailable, StorageFull, TooLarge, toError } from '../../../src/errors.ts'

/** The only file that talks HTTP for commands. Sends each call once: resending is the caller's, who knows its deadline. */
export interface Rest {
  /** Runs a script: EVALSHA, and EVAL where the server does not know it. */
  run(script: string, args: readonly string[]): Promise<unknown>
  /** Runs one bare command. */
  command(command: readonly [string, ...(string | number)[]]): Promise<unknown>
}

export interface RestOptions {
  readonly url: string
  readonly token: string
  /** A key of the broker's: what routes scripts in a cluster. */
  readonly routeKey: string
  /** The prefix that every script gets first. */
  readonly prefix: string
  /** How long one call may take. */
  readonly callTimeoutMs: number
}

export function createRest({ url, token, routeKey, prefix, callTimeoutMs }: RestOptions): Rest {
  const redis = new Redis({
    url,
    token,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    responseEncoding: false,
    retry: { retries: 0 },
    // A function, and new for each call: a static signal that aborts makes up an answer.
    signal: () => AbortSignal.timeout(callTimeoutMs),
  })
  const scripts = new Map<string, ReturnType<typeof redis.createScript<unknown>>>()

  function scriptOf(text: string) {
    const known = scripts.get(text)
    if (known) return known
    const script = redis.createScript<unknown>(text)
    scripts.set(text, script)
    return script
  }

  return {
    run: (text, args) => typed(() => scriptOf(text).exec([routeKey], [prefix, ...args])),
    command: (command) => typed(() => redis.exec(command.map(String) as [string, ...string[]])),
  }
}

async function typed<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (thrown) {
    throw toTypedError(toError(thrown))
  }
}

/** What servers say, and what it means. The client repeats the command after `, command was:`: that part holds payloads. */
function toTypedError(error: Error): Error {
  const said = error.message.split(', command was:')[0]?.slice(0, 200) ?? ''
  if (error.name !== 'UpstashError') return new BrokerUnavailable('redis', unreachable(error))
  if (/^(ERR )?(Redis is|Service|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|undefined)/i.test(said))
    return new BrokerUnavailable('redis', said)
  if (/OOM |capacity quota|disk/i.test(said)) return new StorageFull('Redis')
  const size = /max (?:request|single record) size exceeded\. Limit: (\d+)[^,]*, Actual: (\d+)/i.exec(said)
  if (size) return new TooLarge('a call to Redis', Number(size[1]), Number(size[2]))
  return new BrokerRefused('redis', said, adviceFor(said))
}

function unreachable(error: Error): string {
  if (error.name === 'TimeoutError') return 'none in time'
  if (error.name === 'UpstashJSONParseError') return 'an answer that is no JSON'
  return `no connection (${error.name})`
}

function adviceFor(said: string): string {
  if (/WRONGPASS|unauthorized/i.test(said)) return 'check UPSTASH_REDIS_REST_TOKEN'
  if (/NOPERM|READONLY|read.?only/i.test(said)) return 'use a token that may write'
  if (/max (daily )?requests? limit/i.test(said))
    return 'the quota of the database is used up: raise it, or wait for the next period'
  return 'check the server'
}
