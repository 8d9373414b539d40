import { type Clock, systemClock } from '../../src/clock.ts'
import { type Caller, createGuard } from './auth.ts'
import { readBytes, readText } from './body.ts'
import { createCatalogLoader } from './catalog.ts'
import { decode, parseCommand, parseCommands, parsePath } from './command.ts'
import { createConnection } from './connection.ts'
import { errorBody } from './encoding.ts'
import type { GatewayEvent, OnGatewayEvent, OnGatewayRequest } from './events.ts'
import { createLink, withCount, withLimit } from './link.ts'
import { createMetrics } from './metrics.ts'
import { createPrepare } from './prepare.ts'
import { createProbes } from './probes.ts'
import { badRequest, Refusal, shuttingDown } from './refusal.ts'
import { refusalOf } from './restricted.ts'
import { checkStream } from './rights.ts'
import { createRunner, type Runner } from './run.ts'
import { createSeats } from './streams.ts'
import { createSubscriptions } from './subscriptions.ts'
import type { GatewayTokens } from './tokens.ts'
import { createTraffic, type Visit } from './traffic.ts'

export interface GatewayOptions {
  /** `redis://`, `rediss://` or `unix://`: Redis 7.0 or newer, or Valkey. */
  readonly redis: string
  /**
   * Whoever sends one of these as a bearer token may use everything the gateway lets through; records of `createGatewayToken` narrow
   * that. A function is asked at each request, and returns the same list for as long as nothing has changed.
   */
  readonly tokens: GatewayTokens | (() => GatewayTokens)
  /** The largest body of a request. Default 10 MiB. */
  readonly maxBodyBytes?: number
  /** The largest reply to one command, a transaction's replies together. Default 10 MiB. */
  readonly maxReplyBytes?: number
  /** The most commands of a pipeline or a transaction. Default 100,000. */
  readonly maxCommands?: number
  /** The most streams at a time. Default 10,000. */
  readonly maxSubscribers?: number
  /** How long Redis may take for one request, a whole pipeline included. Default 10 s. */
  readonly deadlineMs?: number
  /** How often a subscriber's stream carries a comment. Default 15 s. */
  readonly heartbeatMs?: number
  readonly clock?: Clock
  readonly onEvent?: OnGatewayEvent
  /** Told of every request that has been answered: an access log. */
  readonly onRequest?: OnGatewayRequest
  /** Where a request comes from, for `onRequest`. */
  readonly addressOf?: (request: Request) => string | null | undefined
}

export interface Gateway {
  fetch(request: Request): Promise<Response>
  /** Takes no new requests, lets those under way finish, ends every stream, and disconnects. */
  close(): Promise<void>
}

/** What a request's url says. */
interface Target {
  readonly path: string
  readonly query: string
}

export const DEFAULT_DEADLINE_MS = 10_000
const METHODS: ReadonlySet<string> = new Set(['POST', 'GET', 'PUT', 'HEAD'])

/**
 * The Upstash REST protocol in front of any Redis.
 *
 * Throws `InvalidOption` for tokens or a url that are none, `BrokerUnavailable` for a Redis that does not answer,
 * `Unsupported` for one older than 7.0.
 */
export async function createGateway({
  redis,
  tokens,
  maxBodyBytes = 10 * 1_048_576,
  maxReplyBytes = 10 * 1_048_576,
  maxCommands = 100_000,
  maxSubscribers = 10_000,
  deadlineMs = DEFAULT_DEADLINE_MS,
  heartbeatMs = 15_000,
  clock = systemClock,
  onEvent = () => {},
  onRequest,
  addressOf,
}: GatewayOptions): Promise<Gateway> {
  const admit = createGuard(tokens, clock)
  const metrics = createMetrics()
  const connect = () => createConnection(redis, { clock, deadlineMs, onEvent })
  const connection = await createConnection(redis, { clock, deadlineMs, onEvent: observe })
  const rawLink = createLink(connection)
  const catalogs = createCatalogLoader(rawLink)
  const link = withLimit(withCount(rawLink, metrics.commands), maxReplyBytes)
  const prepare = createPrepare()
  const runAll = createRunner(link, prepare)
  const seats = createSeats(maxSubscribers)
  const subscriptions = createSubscriptions({ connect, clock, heartbeatMs, seats, onEvent })
  const traffic = createTraffic({ clock, metrics, catalogs, onRequest, addressOf })
  const probes = createProbes({
    clock,
    metrics,
    isRedisUp: () => connection.client.isReady,
    subscribers: seats.taken,
    ping: () =>
      link([['PING']]).then(
        ([reply]) => reply === 'PONG',
        () => false,
      ),
  })
  let closing = false
  const started = clock.now().toString(36)
  let requests = 0

  function observe(event: GatewayEvent): void {
    if (event.type === 'redis.lost') metrics.redisLost()
    if (event.type === 'redis.back') catalogs.forget()
    onEvent(event)
  }

  /** What runs the commands of a caller, and refuses what is not theirs. */
  async function runnerOf({ check }: Caller, visit: Visit): Promise<Runner> {
    if (!check && !traffic.isTold) return runAll
    const refuse = check?.refuse(await catalogs.current())
    return createRunner(link, prepare, (command) => {
      visit.commands.push(command.slice(0, 2))
      return refusalOf(command) ?? refuse?.(command)
    })
  }

  async function route(
    request: Request,
    { path, query }: Target,
    visit: Visit,
  ): Promise<string | ReadableStream<Uint8Array>> {
    if (!METHODS.has(request.method))
      throw new Refusal(405, 'ERR method not allowed', { allow: [...METHODS].join(', ') })
    const caller = admit(request, query)
    visit.token = caller.name
    checkStream(caller.check, path)
    const run = await runnerOf(caller, visit)
    const base64 = isBase64(request.headers)
    if (path === '') return run.command(parseCommand(await readText(request, maxBodyBytes)), base64)
    if (path === 'pipeline')
      return run.pipeline(parseCommands(await readText(request, maxBodyBytes), 'pipeline', maxCommands), base64)
    if (path === 'multi-exec')
      return run.transaction(parseCommands(await readText(request, maxBodyBytes), 'multi-exec', maxCommands), base64)
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

  async function answer(request: Request, target: Target, visit: Visit): Promise<Response> {
    try {
      if (closing) throw shuttingDown()
      const probed = await probes.answer(target.path, () => {
        const { name, mayReadMetrics } = admit(request, target.query)
        visit.token = name
        return mayReadMetrics
      })
      if (probed) return probed
      const body = await route(request, target, visit)
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
  }

  return {
    fetch(request) {
      const target = split(request.url)
      return traffic.pass(request, target.path, (visit) => answer(request, target, visit))
    },
    async close() {
      closing = true
      // Whoever reads a stream opens it elsewhere, and need not wait for others.
      await Promise.all([subscriptions.close(), traffic.drained(deadlineMs).then(connection.close)])
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

function isBase64(headers: Headers): boolean {
  if ((headers.get('upstash-response-format') ?? 'json') !== 'json')
    throw badRequest('ERR only the response format json is supported')
  return headers.get('upstash-encoding') === 'base64'
}
