import type { MiddlewareHandler } from 'hono'
import { v7 } from 'uuid'
import type { App } from '../app.ts'
import type { Blobs } from '../blobs.ts'
import type { Broker } from '../broker.ts'
import { type ClientOptions, createClient } from '../client/client.ts'
import { createResults } from '../client/results.ts'
import { type Clock, systemClock } from '../clock.ts'
import { toError } from '../errors.ts'
import { type OnEvent, withoutThrowing } from '../events.ts'
import { checkSecret } from '../hmac.ts'
import { resend } from '../resend.ts'
import type { Schedules } from '../schedules.ts'
import { createIdentify, guard, type Identify } from './auth.ts'
import { limitBody } from './body.ts'
import type { BrokerRoutes } from './broker-routes.ts'
import type { ApiContext } from './context.ts'
import type { Cors } from './cors.ts'
import { createEnqueue } from './enqueue.ts'
import { createStreams } from './event-stream.ts'
import { eventRoutes } from './events.ts'
import { exchangeRoutes } from './exchange.ts'
import { type AddressOf, slowDown } from './failures.ts'
import { healthRoutes } from './health.ts'
import { createOnce } from './idempotency.ts'
import { jobChangeRoutes } from './job-changes.ts'
import { jobEventRoutes } from './job-events.ts'
import { jobRoutes } from './jobs.ts'
import { linkRoutes } from './links.ts'
import { checkBasePath, isMounted, mountedAt, refuseRest } from './mount.ts'
import type { OpenApi } from './openapi/open-api.ts'
import { problemResponse, refusal, toRefusal } from './problem.ts'
import { queueRoutes } from './queues.ts'
import type { RateCounter, RateLimits } from './rate-limits.ts'
import { readyRoutes } from './ready.ts'
import { createRouteGroup, type RouteGroup } from './route-group.ts'
import type { Api } from './routes.ts'
import { setSafeHeaders } from './safe-headers.ts'
import { scheduleRoutes } from './schedules.ts'
import { setNeeds } from './scopes.ts'
import { taskRoutes } from './tasks.ts'
import type { Tokens } from './tokens.ts'
import { mountWebhooks, type Webhook } from './webhooks.ts'
import { workerRoutes } from './workers.ts'

export interface ApiOptions {
  /** Its names of tasks and their inputs are checked before anything is stored. Default: any are taken. */
  readonly app?: App | undefined
  readonly broker: Broker
  /** Who may call. A function is asked at each request, for tokens that change while the API is there. */
  readonly tokens: Tokens | (() => Tokens)
  /** What all its paths begin with, such as `/api/tq`, where requests come to it with their whole path. Default none. */
  readonly basePath?: string | undefined
  /** Where a request comes from: an address with too many failed checks is slowed down. Default: not known, and nobody is. */
  readonly addressOf?: AddressOf | undefined
  /** `rateLimits`, for how many calls each token and each address may make. Each is a call of the broker more. Default any. */
  readonly rateLimits?: RateLimits | undefined
  /** `cors`, where pages of other origins are to call from a browser. Default: none may. */
  readonly cors?: Cors | undefined
  /** What signed links are verified with, the newest and those before it: without one there is no `/v1/links`. */
  readonly linkSecrets?: readonly string[] | undefined
  /** The client of schedules, from `createSchedules`: without it there is no `/v1/schedules`. */
  readonly schedules?: Schedules | undefined
  /** The largest body. Default 1 MiB, and 10 MiB with `blobs`. */
  readonly maxBodyBytes?: number
  /** How many clients may watch jobs at once. Default 10,000. */
  readonly maxStreams?: number
  /** Where inputs of more than 1 MiB go, and larger results come from. Default: the app's. */
  readonly blobs?: Blobs | undefined
  /** What other services send, each at its own path and without a token. Default none: an app's own need their secrets, `app.webhooks?.(process.env)`. */
  readonly webhooks?: readonly Webhook[] | undefined
  /** `brokerRoutes`, where other processes are to use this broker by `httpBroker`. Default none. */
  readonly brokerRoutes?: BrokerRoutes | undefined
  /** `openApi()` of `tq-edge/openapi`, where the API is to tell of itself at `/openapi.json` and `/docs`. Default it does not. */
  readonly openapi?: OpenApi | undefined
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: () => string
  readonly onEvent?: OnEvent | undefined
}

const MEBIBYTE = 1_048_576
const RESEND_DEADLINE_MS = 20_000

/** Requests that come in the same turn of the event loop share a call of the broker; some edge runtimes have no such moment. */
const endOfTurn = typeof setImmediate === 'function' ? (run: () => void) => setImmediate(run) : undefined

/**
 * Creates the REST API: a Hono app whose `fetch` is the handler, on any runtime, and that another Hono app mounts by `route`.
 *
 * Throws `InvalidOption` for tokens that are none, for a secret that could be guessed, and for a base path that is none.
 *
 * @example
 * ```ts
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createApi } from 'tq-edge/http'
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const api = createApi({ broker, tokens: ['a-long-random-token'] })
 *
 * const response = await api.request('/v1/tasks/greet?id=hello-1', {
 *   method: 'POST',
 *   headers: { Authorization: 'Bearer a-long-random-token', 'Content-Type': 'application/json' },
 *   body: '{"name":"Ada"}',
 * })
 * console.log(response.status, await response.text()) // 202 {"id":"hello-1","state":"queued"}
 * await broker.close()
 * ```
 */
export function createApi(options: ApiOptions): Api {
  const { app, broker, schedules, blobs = app?.blobs, clock = systemClock, random = Math.random, newId = v7 } = options
  const tasks = app?.tasks
  const { maxBodyBytes = blobs ? 10 * MEBIBYTE : MEBIBYTE } = options
  const { basePath = '', maxStreams = 10_000, linkSecrets = [] } = options
  const onEvent = withoutThrowing(options.onEvent)
  const clientOptions: ClientOptions = {
    broker,
    maxInputBytes: blobs ? Math.min(MEBIBYTE, maxBodyBytes) : maxBodyBytes,
    blobs,
    clock,
    random,
    newId,
    onEvent,
    ...(endOfTurn && { putOff: endOfTurn }),
  }
  const client = createClient(clientOptions)
  const resending = { clock, random, deadlineMs: RESEND_DEADLINE_MS, onEvent }
  const counter = options.rateLimits?.({ ...options, clock, onEvent })
  const identify = createIdentify(options.tokens, clock)
  const context: ApiContext = {
    broker,
    client,
    app: app?.name,
    countCall: counter?.countCall ?? (async () => {}),
    tasks,
    schedules,
    linkSecrets: linkSecrets.map((secret) => checkSecret('linkSecrets', secret)),
    clock,
    identify,
    maxBodyBytes,
    streams: createStreams(clock, maxStreams),
    reading: resending,
    enqueue: createEnqueue({ broker, client, tasks, clock, newId, onEvent }),
    once: createOnce(),
    results: createResults(broker, () => `events.${newId()}`, resending),
    send: (call, send) => resend(send, { call, ...resending }),
  }

  const base = createBase(options, { identify, counter, clock, onEvent })
  const checking = tasks ? createClient({ ...clientOptions, tasks }) : client
  const limit = limitBody(maxBodyBytes)
  mountWebhooks(base, options.webhooks ?? [], {
    client: checking,
    tasks,
    limit,
    clock,
    onEvent,
    countCall: context.countCall,
  })
  if (options.brokerRoutes) base.route('/', options.brokerRoutes(context))
  if (options.openapi) base.route('/', options.openapi(context))
  const uncounted = base
    .route('/', healthRoutes(context))
    .route('/', readyRoutes(context))
    .route('/', exchangeRoutes(context))
  // What comes before is not counted: workers and brokers elsewhere would lose their leases.
  if (counter) base.use('/v1/*', counter.count)

  const api = uncounted
    .route('/', taskRoutes(context))
    .route('/', jobRoutes(context))
    .route('/', jobEventRoutes(context))
    .route('/', eventRoutes(context))
    .route('/', jobChangeRoutes(context))
    .route('/', queueRoutes(context))
    .route('/', workerRoutes(context))
    .route('/', scheduleRoutes(context))
    .route('/', linkRoutes(context))
  api.all('*', refuseRest(api, basePath))
  return api
}

/** Where a token is looked at. */
const CHECKED = ['/v1/*', '/openapi.json', '/docs']

interface Parts {
  readonly identify: Identify
  readonly counter: RateCounter | undefined
  readonly clock: Clock
  readonly onEvent: OnEvent | undefined
}

/** What holds for every route: problems for errors, an event and headers for every answer, and who may call what. */
function createBase(
  { addressOf, cors, basePath = '' }: ApiOptions,
  { identify, counter, clock, onEvent }: Parts,
): RouteGroup {
  const app = createRouteGroup().basePath(checkBasePath(basePath))
  app.onError((error) => problemResponse(toRefusal(error)))
  app.notFound(({ req: { path } }) =>
    problemResponse(refusal('unknown-route', `expected a path below ${basePath}, got ${path}`)),
  )
  app.use(observe(clock, onEvent))
  if (cors) app.on('ALL', CHECKED, cors)
  if (counter) app.use(counter.tell)
  if (addressOf) app.on('ALL', CHECKED, slowDown(addressOf, clock))
  setNeeds(app)
  app.use('/v1/*', guard(identify))
  return app
}

/** Tells of every request once it is answered, and sets what every answer carries. */
function observe(clock: Clock, onEvent: OnEvent | undefined): MiddlewareHandler {
  return async (c, next) => {
    const startedMs = clock.monotonic()
    const { routeIndex } = c.req
    await next()
    const { status, headers } = c.res
    const location = headers.get('Location')
    if (location?.startsWith('/v1/')) headers.set('Location', mountedAt(c, routeIndex) + location)
    setSafeHeaders(headers, isMounted(c, routeIndex) ? undefined : c.req.url)
    const durationMs = clock.monotonic() - startedMs
    const reason = status === 500 ? { reason: withoutPasswords(toError(c.error?.cause ?? c.error).message) } : {}
    onEvent?.({ kind: 'http.request', method: c.req.method, path: c.req.path, status, durationMs, ...reason })
  }
}

/** A library's error may name the address that it has not reached, as it was given it. */
function withoutPasswords(text: string): string {
  return text.replace(/\/\/[^\s/@]+@/g, '//...@')
}
