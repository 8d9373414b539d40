import { deploySchedules, type TickReport, tick } from '../../scheduler/index.ts'
import type { App } from '../../src/app.ts'
import type { Broker } from '../../src/broker.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import type { OnEvent } from '../../src/events.ts'
import { createApi, type Tokens } from '../../src/http/index.ts'
import { withProblems } from '../../src/http/problem.ts'
import { type DrainOptions, type DrainReport, drain } from '../../src/worker/drain.ts'
import { createKicks, type KickAgain } from './kicks.ts'
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

/** What every platform's entry comes down to: the REST producer, and what a cron trigger does. */
export interface Edge {
  /** Answers a request; what may go on after the answer is handed to `waitUntil`. Never rejects for a setting that is missing. */
  fetch(request: Request, variables: Variables, waitUntil: (work: Promise<unknown>) => void): Promise<Response>
  /** Fires what is due, then drains. Rejects with `InvalidOption` for a setting that is missing. */
  cron(variables: Variables): Promise<CronReport>
}

/** What drains may take on a platform, where nobody says otherwise. */
export interface PlatformLimits {
  readonly cron: DrainLimits
  readonly kick: DrainLimits
}

/** Longer than a minute's trigger would overlap with the next one; and for so long work may go on after the answer. */
const LIMITS: PlatformLimits = { cron: { budgetMs: 50_000, stay: true }, kick: { budgetMs: 25_000 } }

/** One instance serves many invocations, one after another and at once: what it has made it keeps. */
export function createEdge(app: App, options: EdgeOptions = {}, platform: PlatformLimits = LIMITS): Edge {
  const { onEvent, kick = false, kickAgain, clock = systemClock } = options
  const told = onEvent ? { onEvent, clock } : { clock }
  const kicks = createKicks({ kickAgain, clock, onEvent })
  let broker: Broker | undefined
  let api: ReturnType<typeof createApi> | undefined
  let deployed = false
  let isDraining = false
  /** The most in a row among those who want a drain; null when nobody does. */
  let wanted: number | null = null

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
    return tick(given)
  }

  function drainFor(variables: Variables, limits: DrainLimits): Promise<DrainReport> {
    return drain(app, { ...told, ...limits, broker: brokerFor(variables) })
  }

  /** One at a time in an instance: whoever comes meanwhile has it look once more at the end. */
  async function drainSoon(variables: Variables, inARow = 0): Promise<void> {
    wanted = Math.max(wanted ?? 0, inARow)
    if (isDraining) return
    isDraining = true
    const limits = { ...platform.kick, ...(typeof kick === 'object' ? kick : {}) }
    let last: { readonly report: DrainReport; readonly inARow: number } | undefined
    try {
      for (let row = takeWanted(); row !== null; row = takeWanted())
        last = { report: await drainFor(variables, limits), inARow: row }
    } finally {
      isDraining = false
      wanted = null
    }
    // Now that another call may drain here: one that comes to this very instance is not to find it busy.
    if (last) await kicks.again(last.report, variables, last.inARow)
  }

  function takeWanted(): number | null {
    const row = wanted
    wanted = null
    return row
  }

  return {
    fetch: (request, variables, waitUntil) =>
      withProblems(async () => {
        const inARow = await kicks.read(request, variables)
        if (inARow !== null) {
          waitUntil(drainSoon(variables, inARow))
          return Response.json({ state: 'draining' }, { status: 202 })
        }
        const response = await apiFor(variables).fetch(request)
        if (kick !== false && hasTakenJobs(request, response)) waitUntil(drainSoon(variables))
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

/** For a platform without `waitUntil`: a drain after the answer tells of its errors by events, and must not end the process. */
export function goOn(work: Promise<unknown>): void {
  work.catch(() => {})
}

/** By the statuses of the routes that enqueue. */
function hasTakenJobs({ method }: Request, { status }: Response): boolean {
  return method === 'POST' && (status === 202 || status === 207)
}
