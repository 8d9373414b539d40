/** Netlify Functions (`tq-edge/netlify`). */
import type { App } from '../../src/app.ts'
import { createEdge, type EdgeOptions, type PlatformLimits } from './edge.ts'
import { environment } from './variables.ts'

/** The little that is needed of a function's context; `@netlify/functions` has it all. */
export interface NetlifyContext {
  waitUntil(work: Promise<unknown>): void
}

export interface NetlifyHandlers {
  /** The REST producer: `export default fetch`, with `export const config = { path: '/v1/*' }`. */
  fetch(request: Request, context: NetlifyContext): Promise<Response>
  /** Beats and drains: `export default scheduled`, with `export const config = { schedule: '* * * * *' }`. Answers what was done. */
  scheduled(request: Request): Promise<Response>
}

/** Within the 30 s of a scheduled function, and the 10 s that any other has had at least. */
const LIMITS: PlatformLimits = { cron: { budgetMs: 25_000 }, kick: { budgetMs: 8_000 } }

/**
 * Turns an app into Netlify Functions: the REST producer, and a scheduled function that beats and drains.
 *
 * Settings come from the environment: `UPSTASH_REDIS_REST_URL`, `UPSTASH_REDIS_REST_TOKEN` and `TQ_TOKENS`. A request is answered 500
 * with the name of one that is missing; `scheduled` rejects with `InvalidOption`. Netlify gives a scheduled function no address,
 * so nobody else calls it. A drain takes 25 s when scheduled and 8 s after an answer, where `drain` and `kick` say nothing.
 * Tested by calling the functions as Netlify's documentation says that it does; not on Netlify itself.
 *
 * @example
 * ```ts
 * import { createClient, defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { toNetlify } from 'tq-edge/netlify'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => 'tidied' })] })
 * const broker = sqliteBroker({ path: ':memory:' }) // on Netlify: leave it out
 * const { scheduled } = toNetlify(app, { broker: () => broker })
 * // in netlify/functions/tq-cron.mts: export default scheduled
 *
 * await createClient<typeof app>({ broker }).enqueue('tidy')
 * const body = JSON.stringify({ next_run: '2026-11-21T15:01:00.000Z' })
 * const answer = await scheduled(new Request('https://site.example/', { method: 'POST', body }))
 * console.log((await answer.json()).drained.ran) // 1
 * ```
 */
export function toNetlify(app: App, options: EdgeOptions = {}): NetlifyHandlers {
  const edge = createEdge(app, options, LIMITS)
  return {
    fetch: (request, context) => edge.fetch(request, environment(), (work) => context.waitUntil(work)),
    scheduled: async () => Response.json(await edge.cron(environment())),
  }
}
