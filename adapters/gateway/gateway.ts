import { ErrorReply } from '@redis/client'
import { type Clock, systemClock } from '../../src/clock.ts'
import { KEY_FORM, toKey } from '../../src/http/idempotency-key.ts'
import { createGuard, tokenOf } from './auth.ts'
import { readBytes, readText } from './body.ts'
import { decode, parseCommand, parseCommands, parsePath } from './command.ts'
import { createConnection } from './connection.ts'
import { BASE64, type Body, type Format, PLAIN } from './encoding.ts'
import type { OnGatewayEvent } from './events.ts'
import { createIdempotency, type Keyed, REPLAYED } from './idempotency.ts'
import { createLink } from './link.ts'
import { createMonitor } from './monitor.ts'
import { createPrepare } from './prepare.ts'
import { badRequest, Refusal } from './refusal.ts'
import { RESP2 } from './resp2.ts'
import { createRunner } from './run.ts'
import { createSubscriptions } from './subscriptions.ts'
import { withWaits } from './waits.ts'

export interface GatewayOptions {
  /**
   * Redis 7.0 or newer, or Valkey: `redis://`, `rediss://` or `unix://` for one server, `redis+sentinel://host:port,host:port/name` or
   * `redis+cluster://host:port,host:port` for several; `rediss+` is the same over TLS.
   */
  readonly redis: string
  /** Certificates, as PEM, that TLS to Redis trusts beside the usual authorities. */
  readonly redisCa?: string
  /** Whoever sends one of these as a bearer token may use everything the gateway lets through. */
  readonly tokens: readonly string[]
  /** The largest body of a request. Default 10 MiB. */
  readonly maxBodyBytes?: number
  /** How long Redis may take for one request, a whole pipeline included. Default 10 s. */
  readonly deadlineMs?: number
  /** How often a subscriber's stream carries a comment. Default 15 s. */
  readonly heartbeatMs?: number
  readonly clock?: Clock
  readonly onEvent?: OnGatewayEvent
}

export interface Gateway {
  fetch(request: Request): Promise<Response>
  /** Ends every stream, lets commands under way finish, and disconnects. */
  close(): Promise<void>
}

interface Routed {
  readonly body: Body | ReadableStream<Uint8Array>
  /** True where it is the answer to an earlier request. */
  readonly isReplay?: boolean
}

/** What a request's url says. */
interface Target {
  readonly path: string
  readonly query: string
}

const MULTI_EXEC = 'multi-exec'
const FORMATS = 'ERR expected the response format json or resp2, and resp2 without base64'
const METHODS: ReadonlySet<string> = new Set(['POST', 'GET', 'PUT', 'HEAD'])

/**
 * The Upstash REST protocol in front of any Redis.
 *
 * Throws `InvalidOption` for tokens or a url that are none, `BrokerUnavailable` for a Redis that does not answer,
 * `Unsupported` for one older than 7.0.
 */
export async function createGateway({
  redis,
  redisCa,
  tokens,
  maxBodyBytes = 10 * 1_048_576,
  deadlineMs = 10_000,
  heartbeatMs = 15_000,
  clock = systemClock,
  onEvent = () => {},
}: GatewayOptions): Promise<Gateway> {
  const admit = createGuard(tokens)
  const connect = () => createConnection(redis, { clock, ca: redisCa, deadlineMs, onEvent })
  const connection = await connect()
  const run = createRunner(withWaits(createLink(connection), { connect, deadlineMs }), createPrepare())
  const subscriptions = createSubscriptions({ connect, clock, heartbeatMs, onEvent })
  const monitor = createMonitor({ connect, clock, heartbeatMs, onEvent })
  const idempotency = createIdempotency(clock)
  const started = clock.now().toString(36)
  let requests = 0

  async function route(request: Request, target: Target, format?: Format): Promise<Routed> {
    if (!METHODS.has(request.method))
      throw new Refusal(405, 'ERR method not allowed', { allow: [...METHODS].join(', ') })
    admit(request, target.query)
    if (!format) throw badRequest(FORMATS)
    const [word, ...channels] = target.path.split('/')
    if (target.path === 'monitor') return { body: await monitor.open() }
    if ((word === 'subscribe' || word === 'psubscribe') && channels.length > 0)
      return { body: await subscriptions.open(word, channels.map(decode)) }
    const keyed = await keyedOf(request, target, maxBodyBytes)
    const execute = () => runAll(request, target, format)
    return keyed ? idempotency.once(keyed, execute) : { body: await execute() }
  }

  async function runAll(request: Request, { path, query }: Target, format: Format): Promise<Body> {
    if (path === '') return format.one(await run.command(parseCommand(await readText(request, maxBodyBytes))))
    if (path === 'pipeline' || path === MULTI_EXEC) {
      const commands = parseCommands(await readText(request, maxBodyBytes), path)
      return format.many(await (path === 'pipeline' ? run.pipeline(commands) : run.transaction(commands)))
    }
    return format.one(await run.command(parsePath(path, query, await readBytes(request, maxBodyBytes))))
  }

  /** Clients echo the last one; it has to differ from reply to reply, and says nothing more here. */
  const syncToken = () => `${started}-${(requests++).toString(36)}`

  function headers(contentType: string): Record<string, string> {
    return { 'content-type': contentType, 'upstash-sync-token': syncToken() }
  }

  async function stream(body: ReadableStream<Uint8Array>, { method }: Request): Promise<Response> {
    // Nobody would read it, nor end it.
    if (method === 'HEAD') await body.cancel()
    return new Response(method === 'HEAD' ? null : body, {
      headers: { ...headers('text/event-stream'), 'cache-control': 'no-cache, no-transform' },
    })
  }

  return {
    async fetch(request) {
      const target = split(request.url)
      const format = formatOf(request.headers, target)
      try {
        const { body, isReplay } = await route(request, target, format)
        if (body instanceof ReadableStream) return await stream(body, request)
        return new Response(body, { headers: { ...headers((format ?? PLAIN).contentType), ...(isReplay && REPLAYED) } })
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        const { contentType, one } = format ?? PLAIN
        return new Response(one(new ErrorReply(error.message)), {
          status: error.status,
          headers: { ...headers(contentType), ...error.headers },
        })
      }
    },
    async close() {
      idempotency.close()
      await Promise.all([subscriptions.close(), monitor.close(), connection.close()])
    },
  }
}

/** By hand: a URL object costs more than everything else that is done to a small request. */
function split(url: string): Target {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  if (start === -1) return { path: '', query: '' }
  const mark = url.indexOf('?', start)
  return mark === -1
    ? { path: url.slice(start + 1), query: '' }
    : { path: url.slice(start + 1, mark), query: url.slice(mark) }
}

/** What the response is to be written in; `undefined` for what there is not. A transaction's is always JSON. */
function formatOf(headers: Headers, { path }: Target): Format | undefined {
  const base64 = headers.get('upstash-encoding') === 'base64'
  const asked = headers.get('upstash-response-format') ?? 'json'
  if (asked === 'json') return base64 ? BASE64 : PLAIN
  if (asked !== 'resp2' || base64) return undefined
  return path === MULTI_EXEC ? PLAIN : RESP2
}

/** What a request under an `Idempotency-Key` stands for. */
async function keyedOf(request: Request, { path, query }: Target, maxBytes: number): Promise<Keyed | undefined> {
  const { headers, method } = request
  const header = headers.get('idempotency-key')
  if (header === null) return undefined
  const key = toKey(header)
  if (key === undefined) throw badRequest(`ERR ${KEY_FORM}`)
  const formats = [headers.get('upstash-encoding') ?? '', headers.get('upstash-response-format') ?? '']
  const body = await readBytes(request.clone() as Request, maxBytes)
  return { key, token: tokenOf(request, query) ?? '', request: [method, path, query, ...formats, body] }
}
