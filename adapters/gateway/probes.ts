import type { Clock } from '../../src/clock.ts'
import { METRICS_TYPE, type Metrics } from './metrics.ts'
import type { Visit } from './traffic.ts'

/** Answers what watches a gateway: whether it is there, whether its Redis is, and what it does. */
export interface Probes {
  /** `undefined` for any other path. */
  answer(visit: Visit): Response | Promise<Response> | undefined
}

export interface ProbesOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly isRedisUp: () => boolean
  readonly subscribers: () => number
  /** Throws `Refusal` for a stranger. */
  readonly mayReadMetrics: (visit: Visit) => boolean
  /** Whether Redis answers. */
  readonly ping: () => Promise<boolean>
}

const LOOK_KEPT_MS = 1_000
const LOOK_TIMEOUT_MS = 2_000
const RETRY_S = '1'

export function createProbes({ clock, metrics, isRedisUp, subscribers, mayReadMetrics, ping }: ProbesOptions): Probes {
  let look = Promise.resolve(false)
  let lookedMs = Number.NEGATIVE_INFINITY

  /** One look serves all who ask within a second: they need no token. */
  function isReady(): Promise<boolean> {
    const nowMs = clock.monotonic()
    if (nowMs - lookedMs < LOOK_KEPT_MS) return look
    lookedMs = nowMs
    look = inTime(ping(), clock)
    return look
  }

  return {
    answer(visit) {
      const { path } = visit.target
      if (path === 'healthz') return Response.json({ status: 'ok' })
      if (path === 'readyz') return isReady().then(toReadiness)
      if (path !== 'metrics' || !mayReadMetrics(visit)) return undefined
      const text = metrics.toText({ isRedisUp: isRedisUp(), subscribers: subscribers() })
      return new Response(text, { headers: { 'content-type': METRICS_TYPE } })
    },
  }
}

function toReadiness(isReady: boolean): Response {
  return isReady
    ? Response.json({ status: 'ready' })
    : Response.json({ error: 'ERR redis is not available' }, { status: 503, headers: { 'retry-after': RETRY_S } })
}

function inTime(answer: Promise<boolean>, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(LOOK_TIMEOUT_MS, () => resolve(false))
    void answer.then((isThere) => {
      cancel()
      resolve(isThere)
    })
  })
}
