import { type Clock, systemClock } from '../../src/clock.ts'
import { createGuard } from './auth.ts'
import { readBytes, readText } from './body.ts'
import { decode, parseCommand, parseCommands, parsePath } from './command.ts'
import { createConnection } from './connection.ts'
import { errorBody } from './encoding.ts'
import type { OnGatewayEvent } from './events.ts'
import { createLink } from './link.ts'
import { createPrepare } from './prepare.ts'
import { badRequest, Refusal } from './refusal.ts'
import { createRunner } from './run.ts'
import { createSubscriptions } from './subscriptions.ts'

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
  const run = createRunner(createLink(connection), createPrepare())
  const subscriptions = createSubscriptions({ connect, clock, heartbeatMs, onEvent })
  const started = clock.now().toString(36)
  let requests = 0

  async function route(request: Request): Promise<string | ReadableStream<Uint8Array>> {
    const { path, query } = split(request.url)
    if (!METHODS.has(request.method))
      throw new Refusal(405, 'ERR method not allowed', { allow: [...METHODS].join(', ') })
    admit(request, query)
    const base64 = isBase64(request.headers)
    if (path === '') return run.command(parseCommand(await readText(request, maxBodyBytes)), base64)
    if (path === 'pipeline')
      return run.pipeline(parseCommands(await readText(request, maxBodyBytes), 'pipeline'), base64)
    if (path === 'multi-exec')
      return run.transaction(parseCommands(await readText(request, maxBodyBytes), 'multi-exec'), base64)
    const [word, ...channels] = path.split('/')
    if ((word === 'subscribe' || word === 'psubscribe') && channels.length > 0)
      return subscriptions.open(word, channels.map(decode))
    return run.command(parsePath(path, query, await readBytes(request, maxBodyBytes)), base64)
  }

  /** Clients echo the last one; it has to differ from reply to reply, and says nothing more here. */
  const syncToken = () => `${started}-${(requests++).toString(36)}`

  function headers(contentType: string): Record<string, string> {
    return { 'content-type': contentType, 'upstash-sync-token': syncToken() }
  }

  return {
    async fetch(request) {
      try {
        const body = await route(request)
        if (typeof body === 'string') return new Response(body, { headers: headers('application/json') })
        return new Response(body, {
          headers: { ...headers('text/event-stream'), 'cache-control': 'no-cache, no-transform' },
        })
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        const { status, message } = error
        return new Response(errorBody(message), {
          status,
          headers: { ...headers('application/json'), ...error.headers },
        })
      }
    },
    async close() {
      await Promise.all([subscriptions.close(), connection.close()])
    },
  }
}

/** By hand: a URL object costs more than everything else that is done to a small request. */
function split(url: string): { path: string; query: string } {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  if (start === -1) return { path: '', query: '' }
  const mark = url.indexOf('?', start)
  return mark === -1
    ? { path: url.slice(start + 1), query: '' }
    : { path: url.slice(start + 1, mark), query: url.slice(mark) }
}

function isBase64(headers: Headers): boolean {
  if ((headers.get('upstash-response-format') ?? 'json') !== 'json')
    throw badRequest('ERR only the response format json is supported')
  return headers.get('upstash-encoding') === 'base64'
}
