import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { v7 } from 'uuid'
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
import type { Task } from '../task.ts'
import { createIdentify, guard, type Identify } from './auth.ts'
import { limitBody } from './body.ts'
import type { BrokerRoutes } from './broker-routes.ts'
import type { ApiContext } from './context.ts'
import { createEnqueue } from './enqueue.ts'
import { exchangeRoutes } from './exchange.ts'
import { type AddressOf, slowDown } from './failures.ts'
import { healthRoutes } from './health.ts'
import { jobChangeRoutes } from './job-changes.ts'
import { jobEventRoutes } from './job-events.ts'
import { jobRoutes } from './jobs.ts'
import { linkRoutes } from './links.ts'
import type { OpenApi } from './openapi/open-api.ts'
import { problemResponse, refusal, toRefusal } from './problem.ts'
import { queueRoutes } from './queues.ts'
import { readyRoutes } from './ready.ts'
import type { Api } from './routes.ts'
import { scheduleRoutes } from './schedules.ts'
import { setNeeds } from './scopes.ts'
import { taskRoutes } from './tasks.ts'
import type { Tokens } from './tokens.ts'
import { mountWebhooks, type Webhook } from './webhooks.ts'
import { workerRoutes } from './workers.ts'

export interface ApiOptions {
  readonly broker: Broker
  /** Who may call. A function is asked at each request, for tokens that change while the API is there. */
  readonly tokens: Tokens | (() => Tokens)
  /** Where a request comes from: an address with too many failed checks is slowed down. Default: not known, and nobody is. */
  readonly addressOf?: AddressOf | undefined
  /** What signed links are verified with, the newest and those before it: without one there is no `/v1/links`. */
  readonly linkSecrets?: readonly string[] | undefined
  /** The app's tasks, where the API has them: names and inputs are then checked before anything is stored. */
  readonly tasks?: ReadonlyMap<string, Task>
  /** The name of the app whose beats `/healthz?beat=` tells of. Default: any app's. */
  readonly app?: string | undefined
  /** The client of schedules, from `createSchedules`: without it there is no `/v1/schedules`. */
  readonly schedules?: Schedules | undefined
  /** The largest body. Default 1 MiB, and 10 MiB with `blobs`. */
  readonly maxBodyBytes?: number
  /** How many clients may watch jobs at once. Default 10,000. */
  readonly maxStreams?: number
  /** Where inputs of more than 1 MiB go, and larger results come from. */
  readonly blobs?: Blobs | undefined
  /** What other services send, from `tq-edge/webhooks`: each at its own path, and without a token. */
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

/**
 * Creates the REST API: a Hono app whose `fetch` is the handler, on any runtime.
 *
 * Throws `InvalidOption` for tokens that are none, and for a secret that could be guessed.
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
  const { broker, tasks, schedules, blobs, clock = systemClock, random = Math.random, newId = v7 } = options
  const { maxBodyBytes = blobs ? 10 * MEBIBYTE : MEBIBYTE } = options
  const { maxStreams = 10_000, linkSecrets = [] } = options
  const onEvent = withoutThrowing(options.onEvent)
  const clientOptions: ClientOptions = {
    broker,
    maxInputBytes: blobs ? Math.min(MEBIBYTE, maxBodyBytes) : maxBodyBytes,
    blobs,
    clock,
    random,
    newId,
    onEvent,
  }
  const client = createClient(clientOptions)
  const resending = { clock, random, deadlineMs: RESEND_DEADLINE_MS, onEvent }
  const identify = createIdentify(options.tokens, clock)
  const context: ApiContext = {
    broker,
    client,
    app: options.app,
    tasks,
    schedules,
    linkSecrets: linkSecrets.map((secret) => checkSecret('linkSecrets', secret)),
    clock,
    identify,
    maxBodyBytes,
    maxStreams,
    enqueue: createEnqueue({ broker, client, tasks, clock, newId, onEvent }),
    results: createResults(broker, () => `events.${newId()}`, resending),
    send: (call, send) => resend(send, { call, ...resending }),
  }

  const base = createBase(options, identify, clock, onEvent)
  const checking = tasks ? createClient({ ...clientOptions, tasks }) : client
  const limit = limitBody(maxBodyBytes)
  mountWebhooks(base, options.webhooks ?? [], { client: checking, tasks, limit, clock, onEvent })
  if (options.brokerRoutes) base.route('/', options.brokerRoutes(context))
  if (options.openapi) base.route('/', options.openapi(context))

  return base
    .route('/', healthRoutes(context))
    .route('/', readyRoutes(context))
    .route('/', taskRoutes(context))
    .route('/', jobRoutes(context))
    .route('/', jobEventRoutes(context))
    .route('/', jobChangeRoutes(context))
    .route('/', queueRoutes(context))
    .route('/', workerRoutes(context))
    .route('/', exchangeRoutes(context))
    .route('/', scheduleRoutes(context))
    .route('/', linkRoutes(context))
}

/** Where a token is looked at. */
const CHECKED = ['/v1/*', '/openapi.json', '/docs']

/** What holds for every route: problems for errors, an event and headers for every answer, and who may call what. */
function createBase({ addressOf }: ApiOptions, identify: Identify, clock: Clock, onEvent: OnEvent | undefined): Hono {
  const app = new Hono()
  app.onError((error) => problemResponse(toRefusal(error)))
  app.notFound(({ req }) => problemResponse(refusal('unknown-route', `expected a path of this API, got ${req.path}`)))
  app.use(observe(clock, onEvent))
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }))
  if (addressOf) app.on('ALL', CHECKED, slowDown(addressOf, clock))
  setNeeds(app)
  app.use('/v1/*', guard(identify))
  return app
}

/** Tells of every request once it is answered, and sets what every answer carries. */
function observe(clock: Clock, onEvent: OnEvent | undefined): MiddlewareHandler {
  return async (c, next) => {
    const startedMs = clock.monotonic()
    await next()
    const { status, headers } = c.res
    headers.set('X-Content-Type-Options', 'nosniff')
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
    const durationMs = clock.monotonic() - startedMs
    const reason = status === 500 ? { reason: toError(c.error?.cause ?? c.error).message } : {}
    onEvent?.({ kind: 'http.request', method: c.req.method, path: c.req.path, status, durationMs, ...reason })
  }
}

function refuseMethod(c: Context, methods: readonly string[]): Response {
  const allowed = methods.join(', ')
  return problemResponse(
    refusal('method-not-allowed', `expected ${allowed}, got ${c.req.method}`, { headers: { Allow: allowed } }),
  )
}
