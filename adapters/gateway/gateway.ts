import { type Clock, systemClock } from '../../src/clock.ts'
import { type Backend, openBackend } from './backend.ts'
import { createPrepare } from './commands/prepare.ts'
import type { Runner } from './commands/run.ts'
import type { GatewayEvent, OnGatewayEvent, OnGatewayRequest } from './events.ts'
import { createIdempotency, toKeyed } from './idempotency.ts'
import { createMetrics } from './metrics.ts'
import { createProbes } from './probes.ts'
import { readBytes, readText } from './protocol/body.ts'
import { decode, parseCommand, parseCommands, parsePath } from './protocol/command.ts'
import { type Body, type Format, PLAIN } from './protocol/encoding.ts'
import { badRequest, Refusal, shuttingDown } from './protocol/refusal.ts'
import { createResponses } from './protocol/responses.ts'
import { formatOf, MULTI_EXEC } from './protocol/target.ts'
import { userOf } from './redis/address.ts'
import { createCatalogLoader } from './redis/catalog.ts'
import { createSeats } from './streams/seats.ts'
import { type Caller, createGuard } from './tokens/auth.ts'
import { createRestrictions } from './tokens/restricted.ts'
import { checkStream } from './tokens/rights.ts'
import type { GatewayTokens } from './tokens/token.ts'
import { createTraffic, type Visit } from './traffic.ts'
import { createUsers } from './users.ts'

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

type Answer = Body | ReadableStream<Uint8Array>

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
  const seats = createSeats({ maxSubscribers, clock, isGood })
  const prepareFor = createPrepare()
  const refusalOf = createRestrictions(userOf(redis))
  const limits = { deadlineMs, heartbeatMs, maxReplyBytes, maxResponseBytes }
  const shared = { metrics, seats, waiting: { requests: 0 }, prepareFor, refusalOf }
  const options = { ...limits, ...shared, clock, ca: redisCa, onEvent }
  const own = await openBackend(redis, { ...options, onSharedEvent: observe })
  const catalogs = createCatalogLoader(own.rawLink)
  const users = createUsers({ redis, link: own.rawLink, ...options })
  const idempotency = createIdempotency(clock)
  const traffic = createTraffic({ clock, metrics, catalogs, onRequest, addressOf })
  const probes = createProbes({
    clock,
    metrics,
    isRedisUp: own.isReady,
    subscribers: seats.taken,
    mayReadMetrics: (visit) => callerOf(visit).mayReadMetrics,
    ping: own.ping,
  })
  const responses = createResponses(clock)
  let closing: Promise<unknown> | undefined

  function observe(event: GatewayEvent): void {
    if (event.type === 'redis.lost') metrics.redisLost()
    if (event.type === 'redis.back') catalogs.forget()
    onEvent(event)
  }

  function callerOf(visit: Visit): Caller {
    const caller = admit(visit.request, visit.target.query)
    visit.token = caller.name
    return caller
  }

  /** What runs the commands of a caller, and refuses what is not theirs. */
  async function runnerOf(backend: Backend, caller: Caller, { commands }: Visit): Promise<Runner> {
    const refuse = caller.check?.refuse(await catalogs.current())
    return backend.runnerOf(caller, (command) => {
      commands.push(command.slice(0, 2))
      return refusalOf(command) ?? refuse?.(command)
    })
  }

  /** Throws `Refusal`, at once or later. */
  function route(visit: Visit, format?: Format): Promise<Answer> {
    const { request, target } = visit
    if (!METHODS.has(request.method))
      throw new Refusal(405, 'ERR method not allowed', { allow: [...METHODS].join(', ') })
    const caller = callerOf(visit)
    if (!format) throw badRequest(FORMATS)
    checkStream(caller.check, target.path)
    if (!caller.login) return perform(own, caller, visit, format)
    return users.run(caller.login, (backend, rights) => perform(backend, { ...caller, rights }, visit, format))
  }

  function perform(backend: Backend, caller: Caller, visit: Visit, format: Format): Promise<Answer> {
    const { request, target } = visit
    const [word, ...channels] = target.path.split('/')
    if (target.path === 'monitor') return backend.monitor.open(caller)
    if ((word === 'subscribe' || word === 'psubscribe') && channels.length > 0)
      return backend.subscriptions.open(word, channels.map(decode), caller)
    const key = request.headers.get('idempotency-key')
    return key === null
      ? execute(backend, caller, visit, format)
      : executeOnce(key, caller, visit, () => execute(backend, caller, visit, format))
  }

  async function execute(backend: Backend, caller: Caller, visit: Visit, format: Format): Promise<Body> {
    const { request, target } = visit
    const isAsked = caller.check || traffic.isTold
    const run = isAsked ? await runnerOf(backend, caller, visit) : backend.runnerOf(caller)
    if (target.path === '') return format.one(await run.command(parseCommand(await readText(request, maxBodyBytes))))
    if (target.path === 'pipeline' || target.path === MULTI_EXEC) {
      const commands = parseCommands(await readText(request, maxBodyBytes), target.path, maxCommands)
      return format.many(await (target.path === 'pipeline' ? run.pipeline(commands) : run.transaction(commands)))
    }
    const { path, query } = target
    return format.one(await run.command(parsePath(path, query, await readBytes(request, maxBodyBytes))))
  }

  async function executeOnce(key: string, caller: Caller, visit: Visit, run: () => Promise<Body>): Promise<Body> {
    const keyed = await toKeyed(key, caller, visit, maxBodyBytes)
    const { body, isReplay } = await idempotency.once(keyed, run)
    visit.isReplay = isReplay
    return body
  }

  async function respond(visit: Visit): Promise<Response> {
    const format = formatOf(visit.request.headers, visit.target)
    try {
      if (closing !== undefined) throw shuttingDown()
      const probed = probes.answer(visit)
      if (probed) return await probed
      const answer = await route(visit, format)
      if (answer instanceof ReadableStream) return await responses.streamed(answer, visit.request)
      return responses.answered(answer, format ?? PLAIN, visit.isReplay)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return responses.refused(error, format ?? PLAIN)
    }
  }

  async function drain(): Promise<void> {
    await traffic.drained(deadlineMs)
    idempotency.close()
    await Promise.all([own.close(), users.close()])
  }

  return {
    fetch: (request) => traffic.pass(request, respond),
    async close() {
      // Whoever reads a stream opens it elsewhere, and need not wait for others.
      closing ??= Promise.all([own.endStreams(), users.endStreams(), drain()])
      await closing
    },
  }
}
