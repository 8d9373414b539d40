import * as v from 'valibot'
import type { SeenBeat } from '../broker.ts'
import type { ApiContext } from './context.ts'
import { refusal } from './problem.ts'
import { checkQuery, fromText } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'

/** When a beat was there last: no more is told to whoever asks without a token. */
export interface LastBeat {
  readonly seenAtMs: number
  readonly agoMs: number
}

export interface HealthQuery {
  /** Seconds. */
  readonly beat?: string | undefined
}

export type HealthRoutes = {
  '/healthz': { $get: Route<{ query?: HealthQuery }, { status: 'ok'; beat?: LastBeat }, 200> }
}

/** A beat tells of itself every 80 s at least. */
const BEAT_S = 'expected seconds from 120 to 2678400'
const beatS = v.pipe(v.number(), v.minValue(120, BEAT_S), v.maxValue(2_678_400, BEAT_S))
/** What else is in the query is nobody's mistake here: some monitors add a number of their own. */
export const healthQuery: v.GenericSchema<HealthQuery, { readonly beat?: number | undefined }> = v.object({
  beat: v.optional(fromText(beatS, BEAT_S)),
})

/** Whether the server answers and, for whoever asks, whether a beat was there lately. */
export function healthRoutes(context: ApiContext): Routed<HealthRoutes> {
  const lastBeat = createLastBeat(context)
  return createRouteGroup().get('/healthz', checkQuery(healthQuery), async (c) => {
    const { beat: withinS } = c.req.valid('query')
    const beat = withinS === undefined ? {} : { beat: await lastBeat(withinS * 1_000) }
    return c.json({ status: 'ok' as const, ...beat }, 200)
  })
}

/** Whoever asks more often is answered from memory: an open route must not run up the bill. */
const ASK_MS = 20_000

/** What tells of the last beat. Throws `RefusedRequest` when there was none for longer than so long. */
function createLastBeat({ broker, clock, app }: ApiContext): (withinMs: number) => Promise<LastBeat> {
  let asked: Promise<SeenBeat | undefined> | undefined
  let askedAtMs = 0

  function ask(): Promise<SeenBeat | undefined> {
    if (asked && clock.monotonic() - askedAtMs < ASK_MS) return asked
    askedAtMs = clock.monotonic()
    asked = broker.beats().then((beats) => beats.find((beat) => app === undefined || beat.app === app))
    return asked
  }

  return async (withinMs) => {
    const last = await ask()
    const agoMs = last && Math.round(last.agoMs + clock.monotonic() - askedAtMs)
    if (last && agoMs !== undefined && agoMs <= withinMs) return { seenAtMs: last.seenAtMs, agoMs }
    const got = agoMs === undefined ? 'none so far' : `the last one ${toS(agoMs)} ago`
    throw refusal('no-beat', `expected a beat within ${toS(withinMs)}, got ${got}`)
  }
}

const toS = (ms: number) => `${Math.round(ms / 1_000)} s`
