import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { v7 } from 'uuid'
import type { Blobs } from '../blobs.ts'
import type { Broker } from '../broker.ts'
import { type ClientOptions, createClient } from '../client/client.ts'
import { type Clock, systemClock } from '../clock.ts'
import { JobNotFound, toError } from '../errors.ts'
import { type OnEvent, withoutThrowing } from '../events.ts'
import type { Schedules } from '../schedules.ts'
import type { Task } from '../task.ts'
import { isFinished } from '../words.ts'
import { guard, type Tokens } from './auth.ts'
import { limitBody } from './body.ts'
import { createEnqueue, type EnqueuedJob, locationOf, type Outcome } from './enqueue.ts'
import { createHealth } from './health.ts'
import { resultOf, toJobView } from './job-view.ts'
import { problemResponse, refusal, toRefusal } from './problem.ts'
import { checkHealth, checkInput, checkJobs, checkTaskQuery, checkWait } from './request.ts'
import type { Api, JobAnswer } from './routes.ts'
import { createScheduleRoutes } from './schedules.ts'
import { mountWebhooks, type Webhook } from './webhooks.ts'

export interface ApiOptions {
  readonly broker: Broker
  readonly tokens: Tokens
  /** The app's tasks, where the API has them: names and inputs are then checked before anything is stored. */
  readonly tasks?: ReadonlyMap<string, Task>
  /** The name of the app whose beats `/healthz?beat=` tells of. Default: any app's. */
  readonly app?: string | undefined
  /** The client of schedules, from `createSchedules`: without it there is no `/v1/schedules`. */
  readonly schedules?: Schedules | undefined
  /** The largest body. Default 1 MiB, and 10 MiB with `blobs`. */
  readonly maxBodyBytes?: number
  /** Where inputs of more than 1 MiB go, and larger results come from. */
  readonly blobs?: Blobs | undefined
  /** What other services send, from `tq-edge/webhooks`: each at its own path, and without a token. */
  readonly webhooks?: readonly Webhook[] | undefined
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: () => string
  readonly onEvent?: OnEvent | undefined
}

const MEBIBYTE = 1_048_576

/**
 * Creates the REST producer: a Hono app whose `fetch` is the handler, on any runtime.
 *
 * Throws `InvalidOption` for tokens that are none.
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
  const { broker, tokens, tasks, schedules, blobs, clock = systemClock, random = Math.random, newId = v7 } = options
  const { maxBodyBytes = blobs ? 10 * MEBIBYTE : MEBIBYTE } = options
  const onEvent = withoutThrowing(options.onEvent)
  const limit = limitBody(maxBodyBytes)
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
  const lastBeat = createHealth({ broker, clock, app: options.app })
  const { check, enqueue } = createEnqueue({ broker, client, tasks, clock, newId, onEvent })

  const base = createBase(tokens, clock, onEvent)
  const checking = tasks ? createClient({ ...clientOptions, tasks }) : client
  mountWebhooks(base, options.webhooks ?? [], { client: checking, tasks, limit, clock, onEvent })

  return base
    .get('/healthz', checkHealth, async (c) => {
      const { beatWithinMs } = c.req.valid('query')
      const beat = beatWithinMs === undefined ? {} : { beat: await lastBeat(beatWithinMs) }
      return c.json({ status: 'ok' as const, ...beat }, 200)
    })
    .post('/v1/tasks/:task', limit, checkTaskQuery, checkInput, async (c) => {
      const request = { task: c.req.param('task'), ...c.req.valid('query'), ...c.req.valid('json') }
      await check([request], () => '')
      const job = only(await enqueue([request]))
      return c.json(job, 202, { Location: locationOf(job.id) })
    })
    .post('/v1/jobs', limit, checkJobs, async (c) => {
      const { requests, pathOf, many } = c.req.valid('json')
      await check(requests, pathOf)
      const outcomes = await enqueue(requests)
      if (many) return c.json({ jobs: outcomes.map(toAnswer) }, statusOf(outcomes))
      const job = only(outcomes)
      return c.json(job, 202, { Location: locationOf(job.id) })
    })
    .get('/v1/jobs/:id', async (c) => {
      const id = c.req.param('id')
      const record = await client.job(id).get()
      if (!record) throw new JobNotFound(id)
      return c.json(toJobView(record), 200)
    })
    .get('/v1/jobs/:id/result', checkWait, async (c) => {
      const { waitMs } = c.req.valid('query')
      const outcome = await resultOf(client.job(c.req.param('id')), waitMs, c.req.raw.signal)
      return isFinished(outcome.state) ? c.json(outcome, 200) : c.json(outcome, 202, { 'Retry-After': '1' })
    })
    .route('/v1/schedules', createScheduleRoutes(schedules, limit))
}

/** What holds for every route: problems for errors, an event and headers for every answer, and who may call. */
function createBase(tokens: Tokens, clock: Clock, onEvent: OnEvent | undefined): Hono {
  const app = new Hono()
  app.onError((error) => problemResponse(toRefusal(error)))
  app.notFound(({ req }) => problemResponse(refusal('unknown-route', `expected a path of this API, got ${req.path}`)))
  app.use(observe(clock, onEvent))
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }))
  app.use('/v1/*', guard(tokens))
  return app
}

/** Tells of every request once it is answered, and sets what every answer carries. */
function observe(clock: Clock, onEvent: OnEvent | undefined): MiddlewareHandler {
  return async (c, next) => {
    const startedMs = clock.monotonic()
    await next()
    const { status, headers } = c.res
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('Cache-Control', 'no-store')
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

function only(outcomes: readonly Outcome[]): EnqueuedJob {
  const [outcome] = outcomes as readonly [Outcome]
  if ('refused' in outcome) throw outcome.refused
  return outcome.job
}

function toAnswer(outcome: Outcome): JobAnswer {
  return 'job' in outcome ? outcome.job : { id: outcome.id, problem: outcome.refused.problem }
}

/** 207 where the answer has to be read job by job. With nothing taken it is the first refusal: the same may be sent again. */
function statusOf(outcomes: readonly Outcome[]): 202 | 207 {
  const refused = outcomes.flatMap((outcome) => ('refused' in outcome ? [outcome.refused] : []))
  if (refused[0] && refused.length === outcomes.length) throw refused[0]
  return refused.length === 0 ? 202 : 207
}
