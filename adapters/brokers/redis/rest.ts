import { Redis } from '@upstash/redis/cloudflare'
import { BrokerRefused, BrokerUnavailable, StorageFull, TooLarge, toError } from '../../../src/errors.ts'

export type Command = readonly [string, ...(string | number)[]]

/** The only file that talks HTTP for commands. Sends each call once: resending is the caller's, who knows its deadline. */
export interface Rest {
  /** Runs a script: EVALSHA, and EVAL where the server does not know it. */
  run(script: string, args: readonly string[]): Promise<unknown>
  /** The same for one that answers an array, of this length where it is known. */
  rows(script: string, args: readonly string[], length?: number): Promise<readonly unknown[]>
  /** The same for one that answers one of these words. */
  word<Word extends string>(script: string, args: readonly string[], words: readonly Word[]): Promise<Word>
  /** Runs one bare command. */
  command(command: Command): Promise<unknown>
  /** The same for one that answers an array. */
  list(command: Command): Promise<readonly unknown[]>
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

  async function typed<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (thrown) {
      throw toTypedError(toError(thrown), token)
    }
  }

  const run = (text: string, args: readonly string[]) => typed(() => scriptOf(text).exec([routeKey], [prefix, ...args]))

  const command = (words: Command) => typed(() => redis.exec(words.map(String) as [string, ...string[]]))

  return {
    run,
    rows: async (text, args, length) => toRows(await run(text, args), length),
    async word(text, args, words) {
      const said = await run(text, args)
      const word = words.find((one) => one === said)
      if (word === undefined) throw notOurs()
      return word
    },
    command,
    list: async (words) => toRows(await command(words)),
  }
}

function toRows(value: unknown, length?: number): readonly unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw notOurs()
  return value
}

/** Something answered that is no Redis with our scripts: a login page, another service, a broken proxy. */
export function notOurs(): BrokerUnavailable {
  return new BrokerUnavailable('redis', 'an answer of another form')
}

/** What Redis and Upstash say begins with a word like ERR; what stands behind it may repeat arguments, and those are payloads. */
const REDIS_SAYS = /^-?[A-Z][A-Z0-9]+ /
const REPEATED = /, command was:|,? with args beginning with/
const PASSING = /^ERR (Redis is|Service)|^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY) /i
const DENIED = /WRONGPASS|NOAUTH|unauthorized|forbidden/i

function toTypedError(error: Error, token: string): Error {
  if (error.name !== 'UpstashError') return new BrokerUnavailable('redis', unreachable(error))
  const said = (error.message.split(REPEATED)[0] ?? '').replaceAll(token, '...').slice(0, 200)
  if (DENIED.test(said)) return refused(said)
  // A proxy's words, with a 500, 502 or 429. They are not repeated: nobody knows what stands in them.
  if (!REDIS_SAYS.test(said)) return new BrokerUnavailable('redis', 'an error that is not Redis’s')
  if (PASSING.test(said)) return new BrokerUnavailable('redis', said)
  if (/OOM |capacity quota|disk/i.test(said)) return new StorageFull('Redis')
  const size = /max (?:request|single record) size exceeded\. Limit: (\d+)[^,]*, Actual: (\d+)/i.exec(said)
  if (size) return new TooLarge('a call to Redis', Number(size[1]), Number(size[2]))
  return refused(said)
}

function refused(said: string): BrokerRefused {
  return new BrokerRefused('redis', REDIS_SAYS.test(said) ? said : 'unauthorized', adviceFor(said))
}

function unreachable(error: Error): string {
  if (error.name === 'TimeoutError') return 'none in time'
  if (error.name === 'UpstashJSONParseError') return 'an answer that is no JSON'
  if (error.message === 'Request did not return a result') return 'an answer without a result'
  return `no connection (${error.name})`
}

function adviceFor(said: string): string {
  if (DENIED.test(said)) return 'check UPSTASH_REDIS_REST_TOKEN'
  if (/NOPERM|READONLY|read.?only/i.test(said)) return 'use a token that may write'
  if (/max (daily )?requests? limit/i.test(said))
    return 'the quota of the database is used up: raise it, or wait for the next period'
  return 'check the server'
}
