import { type createSchedules, deploySchedules, type TickReport, tick } from '../../scheduler/index.ts'
import type { App } from '../../src/app.ts'
import type { Broker } from '../../src/broker.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import type { OnEvent } from '../../src/events.ts'
import { type AddressOf, createApi, type RateLimits, type Tokens } from '../../src/http/index.ts'
import type { OpenApi } from '../../src/http/openapi/index.ts'
import { withProblems } from '../../src/http/problem.ts'
import { SAFE_HEADERS } from '../../src/http/safe-headers.ts'
import { JOBS_HEADER } from '../../src/http/webhooks.ts'
import type { Fetch } from '../../src/outbound.ts'
import type { sendCallbacks, ToCallbackTask } from '../../src/worker/callbacks.ts'
import { type DrainOptions, type DrainReport, drain } from '../../src/worker/drain.ts'
import { createKicks, type KickAgain } from './kicks.ts'
import { callbackSecretsOf, edgeBroker, hostsOf, secretsOf, textsOf, tokensOf, type Variables } from './variables.ts'

/** What a drain may take here: how long, how many requests, how many jobs at once, of which queues. */
export type DrainLimits = Omit<DrainOptions, 'broker' | 'signal' | 'onEvent'>

export interface EdgeOptions {
  /** Where jobs are kept. Default: the Redis that `UPSTASH_REDIS_REST_URL` and `_TOKEN` name, or `KV_REST_API_URL` and `_TOKEN`. */
  readonly broker?: (variables: Variables) => Broker
  /** Who may call. Default: the tokens in `TQ_TOKENS`, separated by commas. */
  readonly tokens?: (variables: Variables) => Tokens
  /** What the paths of the API begin with, such as `/api/tq`, where requests come with their whole path. Default none. */
  readonly basePath?: string
  /** Where a request comes from, such as `({ headers }) => headers.get('CF-Connecting-IP')`: too many failed checks of one are slowed down. */
  readonly addressOf?: AddressOf
  /** `rateLimits` of `tq-edge/http`, for how many calls each token and each address may make. Each is a call of the broker more. Default any. */
  readonly rateLimits?: RateLimits
  /**
   * `createSchedules` of `tq-edge/scheduler`, where schedules are to be made and changed over REST (`/v1/schedules`) by those whose token
   * allows it. Default: they are not, and the bundle is 5 kB smaller.
   */
  readonly schedules?: typeof createSchedules
  /**
   * `sendCallbacks` of `tq-edge`, where drains are to send callbacks, signed with `TQ_CALLBACK_SECRET`. Default: they are put back for a
   * worker that does, and the bundle is 2 kB smaller.
   */
  readonly callbacks?: typeof sendCallbacks
  /** Sends pings and callbacks. Default the platform's own, and on Node, Bun and Deno `hostFetch`. */
  readonly fetch?: Fetch
  /** `openApi()` of `tq-edge/openapi`, for `/openapi.json` and `/docs`. Default: there are none, and the bundle is 16 kB smaller. */
  readonly openapi?: OpenApi
  /** The limits of the drain that follows each beat of a cron trigger; false fires schedules alone. */
  readonly drain?: DrainLimits | false
  /** Drains as well right after a job has been taken, so that it need not wait for the next cron trigger. Default false. */
  readonly kick?: DrainLimits | boolean
  /**
   * Has a drain that leaves work behind ask for the next one, in an invocation of its own. Needs `TQ_KICK_SECRET`. Default: what is
   * left waits for the next cron trigger or kick.
   */
  readonly kickAgain?: KickAgain
  /** The app's version as a time, such as when it was built. Default: when this instance was started, by the broker's clock. */
  readonly stampMs?: number | ((variables: Variables) => number | undefined)
  readonly clock?: Clock
  readonly onEvent?: OnEvent
}

export interface CronReport {
  readonly fired: number
  readonly nextTickAtMs: number | null
  /** Null where drains are off. */
  readonly drained: DrainReport | null
}

/** What every platform's entry comes down to: the REST API, and what a cron trigger does. */
export interface Edge {
  /** Answers a request; what may go on after the answer is handed to `waitUntil`. Never rejects for a setting that is missing. */
  fetch(request: Request, variables: Variables, waitUntil: (work: Promise<unknown>) => void): Promise<Response>
  /** Fires what is due, then drains. Rejects with `InvalidOption` for a setting that is missing. */
  cron(variables: Variables): Promise<CronReport>
}

/** A trigger comes each minute and may come late: what falls due until the one after it is enqueued with its time. */
const AHEAD_MS = 90_000

/** How often an instance says that a beat was there: with every third trigger of a minute. */
const PRESENCE_MS = 150_000

/** What drains may take on a platform, where nobody says otherwise. */
export interface PlatformLimits {
  readonly cron: DrainLimits
  readonly kick: DrainLimits
}

/** Platforms let work go on for so long after the answer, and a little longer. */
const KICK_BUDGET_MS = 25_000
/** In less no drain gets anywhere: its jobs wait for the next one. */
const MIN_BUDGET_MS = 1_000
/** Longer than a minute's trigger would overlap with the next one. */
const LIMITS: PlatformLimits = { cron: { budgetMs: 50_000, stay: true }, kick: { budgetMs: KICK_BUDGET_MS } }

/** One instance serves many invocations, one after another and at once: what it has made it keeps. */
export function createEdge(app: App, options: EdgeOptions = {}, platform: PlatformLimits = LIMITS): Edge {
  const { onEvent, basePath = '', kick = false, kickAgain, clock = systemClock } = options
  const told = onEvent ? { onEvent, clock } : { clock }
  const kicks = createKicks({ basePath, kickAgain, clock, onEvent })
  let broker: Broker | undefined
  let api: ReturnType<typeof createApi> | undefined
  let callbacks: ToCallbackTask | undefined
  let deployed = false
  let nextPresenceMs = Number.NEGATIVE_INFINITY
  let draining: Promise<unknown> = Promise.resolve()
  let drainsUntilMs = 0
  /** How many drains were asked for so far, and the most in a row among those that have not begun. */
  let asked = 0
  let mostInARow = 0

  function brokerFor(variables: Variables): Broker {
    broker ??= (options.broker ?? edgeBroker)(variables)
    return broker
  }

  function apiFor(variables: Variables): ReturnType<typeof createApi> {
    if (api) return api
    const ownBroker = brokerFor(variables)
    api = createApi({
      app,
      broker: ownBroker,
      tokens: (options.tokens ?? tokensOf)(variables),
      basePath,
      addressOf: options.addressOf,
      rateLimits: options.rateLimits,
      linkSecrets: secretsOf(variables, 'TQ_LINK_SECRET'),
      schedules: options.schedules?.({ broker: ownBroker, app, ...told }),
      webhooks: app.webhooks?.(textsOf(variables)),
      openapi: options.openapi,
      ...told,
    })
    return api
  }

  function callbacksFor(variables: Variables): ToCallbackTask | undefined {
    callbacks ??= options.callbacks?.({ secret: callbackSecretsOf(variables), ...outbound(variables) })
    return callbacks
  }

  const outbound = (variables: Variables) => ({ allowHosts: hostsOf(variables), fetch: options.fetch })

  function stampMs(variables: Variables): number | undefined {
    const { stampMs: given } = options
    return typeof given === 'function' ? given(variables) : given
  }

  async function fire(variables: Variables): Promise<TickReport> {
    const given = { app, broker: brokerFor(variables), ...outbound(variables), ...told }
    if (!deployed) await deploySchedules({ ...given, stampMs: stampMs(variables) })
    deployed = true
    const presence = clock.monotonic() >= nextPresenceMs
    const report = await tick({ ...given, name: 'edge', presence, aheadMs: AHEAD_MS })
    if (presence) nextPresenceMs = clock.monotonic() + PRESENCE_MS
    return report
  }

  function drainFor(variables: Variables, limits: DrainLimits): Promise<DrainReport> {
    const callbacks = callbacksFor(variables)
    return drain(app, { ...told, callbacks, ...limits, broker: brokerFor(variables) })
  }

  /** One at a time in an instance, and one more for those who come meanwhile: the last of them has the most of its time left. */
  async function drainSoon(variables: Variables, inARow = 0): Promise<void> {
    const limits = { ...platform.kick, ...(typeof kick === 'object' ? kick : {}) }
    const startedMs = clock.monotonic()
    const own = ++asked
    mostInARow = Math.max(mostInARow, inARow)
    await endOf(draining, clock, drainsUntilMs - startedMs)
    const budgetMs = (limits.budgetMs ?? KICK_BUDGET_MS) - (clock.monotonic() - startedMs)
    if (own !== asked || budgetMs < MIN_BUDGET_MS) return
    const row = mostInARow
    mostInARow = 0
    const drained = drainFor(variables, { ...limits, budgetMs })
    draining = drained.catch(() => {}) // Whoever waits for it is not told of its error: the invocation that drains is.
    drainsUntilMs = clock.monotonic() + budgetMs
    await kicks.again(await drained, variables, row)
  }

  return {
    fetch: (request, variables, waitUntil) =>
      withProblems(async () => {
        const inARow = await kicks.read(request, variables)
        if (inARow !== null) {
          waitUntil(drainSoon(variables, inARow))
          return Response.json({ state: 'draining' }, { status: 202, headers: SAFE_HEADERS })
        }
        const response = await apiFor(variables).fetch(request)
        if (kick !== false && bringsJobs(request, response, basePath)) waitUntil(drainSoon(variables))
        return response
      }),

    async cron(variables) {
      kicks.check(variables)
      const { fired, nextAtMs } = await fire(variables)
      const limits = options.drain === false ? null : { ...platform.cron, ...options.drain }
      const drained = limits && (await drainFor(variables, limits))
      if (drained) await kicks.again(drained, variables, 0)
      return { fired, nextTickAtMs: nextAtMs, drained }
    },
  }
}

/** Resolves also for work whose invocation the platform has ended: that never settles. */
function endOf(work: Promise<unknown>, clock: Clock, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(Math.max(0, withinMs), resolve)
    void work.then(() => {
      cancel()
      resolve()
    })
  })
}

/** For a platform without `waitUntil`: a drain after the answer tells of its errors by events, and must not end the process. */
export function goOn(work: Promise<unknown>): void {
  work.catch(() => {})
}

/** What enqueues jobs, or has some be due again. */
const BRINGS_JOBS = /^\/v1\/(?:tasks\/[^/]+|links|jobs(?:\/.*(?:retry|promote))?|queues\/[^/]+\/resume)$/
/** By its status: its rule of overlap may have made none. */
const RUNS_SCHEDULE = /^\/v1\/schedules\/[^/]+\/run$/

function bringsJobs({ method, url }: Request, { ok, status, headers }: Response, basePath: string): boolean {
  if (method !== 'POST') return false
  const path = new URL(url).pathname.slice(basePath.length)
  if (RUNS_SCHEDULE.test(path)) return status === 202
  return headers.has(JOBS_HEADER) || (ok && BRINGS_JOBS.test(path))
}
