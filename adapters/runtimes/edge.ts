import { deploySchedules, type TickReport, tick } from '../../scheduler/index.ts'
import type { App } from '../../src/app.ts'
import type { Broker } from '../../src/broker.ts'
import type { OnEvent } from '../../src/events.ts'
import { createApi, type Tokens } from '../../src/http/index.ts'
import { withProblems } from '../../src/http/problem.ts'
import { type DrainOptions, type DrainReport, drain } from '../../src/worker/drain.ts'
import { edgeBroker, tokensOf, type Variables } from './variables.ts'

/** What a drain may take here: how long, how many requests, how many jobs at once, of which queues. */
export type DrainLimits = Omit<DrainOptions, 'broker' | 'signal' | 'onEvent'>

export interface EdgeOptions {
  /** Where jobs are kept. Default: the Redis that `UPSTASH_REDIS_REST_URL` and `_TOKEN` name, or `KV_REST_API_URL` and `_TOKEN`. */
  readonly broker?: (variables: Variables) => Broker
  /** Who may call. Default: the tokens in `TQ_TOKENS`, separated by commas. */
  readonly tokens?: (variables: Variables) => Tokens
  /** The limits of the drain that follows each beat of a cron trigger; false fires schedules alone. */
  readonly drain?: DrainLimits | false
  /** Drains as well right after a job has been taken, so that it need not wait for the next cron trigger. Default false. */
  readonly kick?: DrainLimits | boolean
  /** The app's version as a time, such as when it was built. Default: when this instance was started, by the broker's clock. */
  readonly stampMs?: number | ((variables: Variables) => number | undefined)
  readonly onEvent?: OnEvent
}

export interface CronReport {
  readonly fired: number
  readonly nextTickAtMs: number | null
  /** Null where drains are off. */
  readonly drained: DrainReport | null
}

/** What every platform's entry comes down to: the REST producer, and what a cron trigger does. */
export interface Edge {
  /** Answers a request; what may go on after the answer is handed to `waitUntil`. Never rejects for a setting that is missing. */
  fetch(request: Request, variables: Variables, waitUntil: (work: Promise<unknown>) => void): Promise<Response>
  /** Fires what is due, then drains. Rejects with `InvalidOption` for a setting that is missing. */
  cron(variables: Variables): Promise<CronReport>
}

/** A trigger comes each minute and may come late: what falls due until the one after it is enqueued with its time. */
const AHEAD_MS = 90_000

/** What drains may take on a platform, where nobody says otherwise. */
export interface PlatformLimits {
  readonly cron: DrainLimits
  readonly kick: DrainLimits
}

/** Longer than a minute's trigger would overlap with the next one; and for so long work may go on after the answer. */
const LIMITS: PlatformLimits = { cron: { budgetMs: 50_000, stay: true }, kick: { budgetMs: 25_000 } }

/** One instance serves many invocations, one after another and at once: what it has made it keeps. */
export function createEdge(app: App, options: EdgeOptions = {}, platform: PlatformLimits = LIMITS): Edge {
  const { onEvent, kick = false } = options
  const told = onEvent ? { onEvent } : {}
  let broker: Broker | undefined
  let api: ReturnType<typeof createApi> | undefined
  let deployed = false
  let kicked: 'no' | 'draining' | 'again' = 'no'

  function brokerFor(variables: Variables): Broker {
    broker ??= (options.broker ?? edgeBroker)(variables)
    return broker
  }

  function apiFor(variables: Variables): ReturnType<typeof createApi> {
    api ??= createApi({
      broker: brokerFor(variables),
      tokens: (options.tokens ?? tokensOf)(variables),
      tasks: app.tasks,
      blobs: app.blobs,
      ...told,
    })
    return api
  }

  async function stampMs(variables: Variables): Promise<number> {
    const { stampMs: given } = options
    const stamp = typeof given === 'function' ? given(variables) : given
    return stamp ?? (await brokerFor(variables).schedules({ due: true, app: app.name })).nowMs
  }

  async function fire(variables: Variables): Promise<TickReport> {
    const given = { app, broker: brokerFor(variables), ...told }
    if (!deployed) await deploySchedules({ ...given, stampMs: await stampMs(variables) })
    deployed = true
    return tick({ ...given, aheadMs: AHEAD_MS })
  }

  function drainFor(variables: Variables, limits: DrainLimits): Promise<DrainReport> {
    return drain(app, { ...limits, broker: brokerFor(variables), ...told })
  }

  /** One at a time in an instance: whoever comes meanwhile has it look once more at the end. */
  async function drainSoon(variables: Variables): Promise<void> {
    if (kicked !== 'no') {
      kicked = 'again'
      return
    }
    try {
      do {
        kicked = 'draining'
        await drainFor(variables, { ...platform.kick, ...(kick === true ? {} : kick) })
      } while (isKickedAgain())
    } finally {
      kicked = 'no'
    }
  }

  function isKickedAgain(): boolean {
    return kicked === 'again'
  }

  return {
    fetch: (request, variables, waitUntil) =>
      withProblems(async () => {
        const response = await apiFor(variables).fetch(request)
        if (kick !== false && hasTakenJobs(request, response)) waitUntil(drainSoon(variables))
        return response
      }),

    async cron(variables) {
      const { fired, nextAtMs } = await fire(variables)
      const limits = options.drain === false ? null : { ...platform.cron, ...options.drain }
      return { fired, nextTickAtMs: nextAtMs, drained: limits && (await drainFor(variables, limits)) }
    },
  }
}

/** For a platform without `waitUntil`: a drain after the answer tells of its errors by events, and must not end the process. */
export function goOn(work: Promise<unknown>): void {
  work.catch(() => {})
}

/** By the statuses of the routes that enqueue. */
function hasTakenJobs({ method }: Request, { status }: Response): boolean {
  return method === 'POST' && (status === 202 || status === 207)
}
