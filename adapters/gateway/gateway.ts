import { ErrorReply } from '@redis/client'
import { type Clock, systemClock } from '../../src/clock.ts'
import { userOf } from './address.ts'
import { type Caller, createGuard } from './auth.ts'
import { readBytes, readText } from './body.ts'
import { createCatalogLoader } from './catalog.ts'
import { decode, parseCommand, parseCommands, parsePath } from './command.ts'
import { createConnection } from './connection.ts'
import { type Body, type Format, PLAIN } from './encoding.ts'
import type { GatewayEvent, OnGatewayEvent, OnGatewayRequest } from './events.ts'
import { createIdempotency, REPLAYED, toKeyed } from './idempotency.ts'
import { withLimits } from './limits.ts'
import { createLink, withCount } from './link.ts'
import { createMetrics } from './metrics.ts'
import { createMonitor } from './monitor.ts'
import { createPrepare } from './prepare.ts'
import { createProbes } from './probes.ts'
import { badRequest, Refusal, shuttingDown } from './refusal.ts'
import { createRestrictions } from './restricted.ts'
import { checkStream } from './rights.ts'
import { createRunner, type Runner } from './run.ts'
import { createSeats } from './seats.ts'
import { createSubscriptions } from './subscriptions.ts'
import { formatOf, MULTI_EXEC, type Target, toTarget } from './target.ts'
import type { GatewayTokens } from './tokens.ts'
import { createTraffic, type Visit } from './traffic.ts'
import { withWaits } from './waits.ts'

export interface GatewayOptions {
  /**
   * Redis 7.0 or newer, or Valkey: `redis://`, `rediss://` or `unix://` for one server, `redis+sentinel://host:port,host:port/name` or
   * `redis+cluster://host:port,host:port` for several; `rediss+` is the same over TLS.
   */
  readonly redis: string
  /** Certificates, as PEM, that TLS to Redis trusts beside the usual authorities. */
  readonly redisCa?: string
  /**
   * Whoever sends one of these as a bearer token may use everything the gateway lets through; records of `createGatewayToken` narrow
   * that. A function is asked at each request, and every few seconds while a stream is open; it returns the same list for as long as nothing
   * has changed.
   */
  readonly tokens: GatewayTokens | (() => GatewayTokens)
  /** The largest body of a request. Default 10 MiB. */
  readonly maxBodyBytes?: number
  /** The largest reply to one command, a transaction's replies together. Default 10 MiB. */
  readonly maxReplyBytes?: number
  /** The replies to a pipeline together: once there is as much, what is left of it is not sent. Default 64 MiB. */
  readonly maxResponseBytes?: number
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

interface Routed {
  readonly body: Body | ReadableStream<Uint8Array>
  /** True where it is the answer to an earlier request. */
  readonly isReplay?: boolean
}

export const DEFAULT_DEADLINE_MS = 10_000
/** As JSON text, in which a byte may take six characters, it fits into the longest string there is on Node. */
const DEFAULT_RESPONSE_BYTES = 64 * 1_048_576
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
  maxReplyBytes = 10 * 1_048_576,
  maxResponseBytes = DEFAULT_RESPONSE_BYTES,
  maxCommands = 100_000,
  maxSubscribers = 10_000,
  deadlineMs = DEFAULT_DEADLINE_MS,
  heartbeatMs = 15_000,
  clock = systemClock,
  onEvent = () => {},
  onRequest,
  addressOf,
}: GatewayOptions): Promise<Gateway> {
  const { admit, isGood } = createGuard(tokens, clock)
  const metrics = createMetrics()
  const connect = (told = onEvent) => createConnection(redis, { clock, ca: redisCa, deadlineMs, onEvent: told })
  const connection = await connect(observe)
  const rawLink = createLink(connection)
  const catalogs = createCatalogLoader(rawLink)
  const link = withLimits(withCount(withWaits(rawLink, { connect, deadlineMs }), metrics.commands), {
    maxReplyBytes,
    maxResponseBytes,
    deadlineMs,
    clock,
  })
  const prepare = createPrepare()
  const refusalOf = createRestrictions(userOf(redis))
  const runFreely = createRunner(link, prepare, refusalOf)
  const seats = createSeats({ maxSubscribers, clock, isGood })
  const subscriptions = createSubscriptions({ connect, clock, heartbeatMs, seats, onEvent })
  const monitor = createMonitor({ connect, clock, heartbeatMs, seats, onEvent })
  const idempotency = createIdempotency(clock)
  const traffic = createTraffic({ clock, metrics, catalogs, onRequest, addressOf })
  const probes = createProbes({
    clock,
    metrics,
    isRedisUp: () => connection.client.isReady,
    subscribers: seats.taken,
    ping: () =>
      rawLink([['PING']]).then(
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
    if (!check && !traffic.isTold) return runFreely
    const refuse = check?.refuse(await catalogs.current())
    return createRunner(link, prepare, (command) => {
      visit.commands.push(command.slice(0, 2))
      return refusalOf(command) ?? refuse?.(command)
    })
  }

  async function route(request: Request, target: Target, visit: Visit, format?: Format): Promise<Routed> {
    if (!METHODS.has(request.method))
      throw new Refusal(405, 'ERR method not allowed', { allow: [...METHODS].join(', ') })
    const caller = admit(request, target.query)
    visit.token = caller.name
    if (!format) throw badRequest(FORMATS)
    checkStream(caller.check, target.path)
    const [word, ...channels] = target.path.split('/')
    if (target.path === 'monitor') return { body: await monitor.open(caller) }
    if ((word === 'subscribe' || word === 'psubscribe') && channels.length > 0)
      return { body: await subscriptions.open(word, channels.map(decode), caller) }
    const keyed = await toKeyed(request, target, caller, maxBodyBytes)
    const execute = async () => runAll(await runnerOf(caller, visit), request, target, format)
    return keyed ? idempotency.once(keyed, execute) : { body: await execute() }
  }

  async function runAll(run: Runner, request: Request, { path, query }: Target, format: Format): Promise<Body> {
    if (path === '') return format.one(await run.command(parseCommand(await readText(request, maxBodyBytes))))
    if (path === 'pipeline' || path === MULTI_EXEC) {
      const commands = parseCommands(await readText(request, maxBodyBytes), path, maxCommands)
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

  async function answer(request: Request, target: Target, visit: Visit): Promise<Response> {
    const format = formatOf(request.headers, target)
    const { contentType, one } = format ?? PLAIN
    try {
      if (closing) throw shuttingDown()
      const probed = await probes.answer(target.path, () => {
        const { name, mayReadMetrics } = admit(request, target.query)
        visit.token = name
        return mayReadMetrics
      })
      if (probed) return probed
      const { body, isReplay } = await route(request, target, visit, format)
      if (body instanceof ReadableStream) return await stream(body, request)
      return new Response(body, { headers: { ...headers(contentType), ...(isReplay && REPLAYED) } })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { status, message } = error
      return new Response(one(new ErrorReply(message)), {
        status,
        headers: { ...headers(contentType), ...error.headers },
      })
    }
  }

  return {
    fetch(request) {
      const target = toTarget(request.url)
      return traffic.pass(request, target.path, (visit) => answer(request, target, visit))
    },
    async close() {
      closing = true
      const drained = traffic.drained(deadlineMs).then(() => {
        idempotency.close()
        return connection.close()
      })
      // Whoever reads a stream opens it elsewhere, and need not wait for others.
      await Promise.all([subscriptions.close(), monitor.close(), drained])
    },
  }
}
