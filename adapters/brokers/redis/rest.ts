import { Redis } from '@upstash/redis/cloudflare'
import { BrokerRefused, BrokerUnavailable, StorageFull, TooLarge, toError } from '../../../src/errors.ts'
import { UPDATE_REDIS } from './check.ts'
import { requireFormat } from './format.ts'

export type Command = readonly [string, ...(string | number)[]]

/**
 * The only file that talks HTTP for commands. Sends each call once: resending is the caller's, who knows its deadline.
 *
 * The first calls look at the format of the keys as well, and throw `UnusableStore` where it is not ours.
 */
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
  /** What the server says of itself; it touches no key. */
  info(): Promise<string>
  /** How many commands the server has run for us so far, those inside scripts included. A call without an answer counts as one. */
  spent(): number
}

export interface RestOptions {
  readonly url: string
  readonly token: string
  /** The prefix that every script gets first, and is routed by in a cluster. */
  readonly prefix: string
  /** How many events are kept; 0 for none. */
  readonly maxEvents: number
  /** Where the format of the keys is noted. */
  readonly metaKey: string
  /** How long one call may take. */
  readonly callTimeoutMs: number
}

export function createRest({ url, token, prefix, maxEvents, metaKey, callTimeoutMs }: RestOptions): Rest {
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
  let spent = 0
  /** What is known of the keys' format. A bare command asks for it once; only a script notes it where it is absent. */
  let format: 'unknown' | 'absent' | 'ours' = 'unknown'

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

  async function send(text: string, args: readonly string[]): Promise<unknown> {
    const script = scriptOf(text)
    const keys = [format === 'ours' ? prefix : metaKey]
    const allArgs = [maxEvents > 0 ? `${prefix}${maxEvents}` : prefix, ...args]
    spent++
    try {
      return await script.evalsha(keys, allArgs)
    } catch (thrown) {
      if (!toError(thrown).message.includes('NOSCRIPT')) throw thrown
      spent++
      return script.eval(keys, allArgs)
    }
  }

  async function run(text: string, args: readonly string[]): Promise<unknown> {
    const [reply, commands, found] = toRows(await typed(() => send(text, args)))
    if (typeof commands !== 'number') throw notOurs()
    spent += commands
    if (found !== undefined) requireFormat(prefix, found)
    format = 'ours'
    return reply
  }

  function bare(words: Command): Promise<unknown> {
    spent++
    return typed(() => redis.exec(words.map(String) as [string, ...string[]]))
  }

  /** What is noted of the keys' format: null for nothing yet, and no text for what is no text. */
  async function readFormat(): Promise<string | null> {
    const found = await bare(['GET', metaKey]).catch((error: BrokerRefused) => {
      if (error.said?.startsWith('WRONGTYPE')) return ''
      throw error
    })
    if (found !== null && typeof found !== 'string') throw notOurs()
    return found
  }

  /** The first one has the format read beside it, not before it: a read of keys that are not ours does no harm. */
  async function command<T>(words: Command, toAnswer: (reply: unknown) => T): Promise<T> {
    const [reply, found] = await Promise.all([bare(words), format === 'unknown' ? readFormat() : undefined])
    const answer = toAnswer(reply)
    if (typeof found === 'string') requireFormat(prefix, found)
    if (format === 'unknown') format = found === null ? 'absent' : 'ours'
    return answer
  }

  return {
    run,
    rows: async (text, args, length) => toRows(await run(text, args), length),
    async word(text, args, words) {
      const said = await run(text, args)
      const word = words.find((one) => one === said)
      if (word === undefined) throw notOurs()
      return word
    },
    command: (words) => command(words, (reply) => reply),
    list: (words) => command(words, (reply) => toRows(reply)),
    info: async () => String(await bare(['INFO'])),
    spent: () => spent,
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
  if (/unknown (redis )?command/i.test(said)) return UPDATE_REDIS
  if (/NOPERM|READONLY|read.?only/i.test(said)) return 'use a token that may write'
  if (/max (daily )?requests? limit/i.test(said))
    return 'the quota of the database is used up: raise it, or wait for the next period'
  return 'check the server'
}
