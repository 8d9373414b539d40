/** Vercel Functions (`tq-edge/vercel`). */
import type { App } from '../../src/app.ts'
import { createTokenCheck } from '../../src/http/auth.ts'
import { withProblems } from '../../src/http/problem.ts'
import { SAFE_HEADERS } from '../../src/http/safe-headers.ts'
import { createEdge, type EdgeOptions, goOn, type PlatformLimits } from './edge.ts'
import { environment, requiredVariable } from './variables.ts'

export interface VercelHandlers {
  /** The REST producer: `export const GET = fetch`, and the same for `POST`, `PUT` and `DELETE`. */
  fetch(request: Request): Promise<Response>
  /** Beats and drains, for whoever knows `CRON_SECRET`: Vercel's cron. Answers what was done. */
  cron(request: Request): Promise<Response>
}

/** Within the 10 s that the shortest plan gives a function. */
const LIMITS: PlatformLimits = { cron: { budgetMs: 8_000 }, kick: { budgetMs: 8_000 } }

/** What `waitUntil` of @vercel/functions looks up, for the request at hand. */
const REQUEST_CONTEXT = Symbol.for('@vercel/request-context')
interface VercelGlobal {
  readonly [REQUEST_CONTEXT]?: { get?(): { waitUntil?(work: Promise<unknown>): void } | undefined }
}

/**
 * Turns an app into Vercel Functions: the REST producer, and what a cron of vercel.json calls.
 *
 * Settings come from the environment: `UPSTASH_REDIS_REST_URL` and `_TOKEN` or `KV_REST_API_URL` and `_TOKEN`, `TQ_TOKENS` and, for
 * `cron`, `CRON_SECRET`. What is missing is named in an answer of 500. Drains take 8 s where `drain` and `kick` say nothing.
 * Tested by calling the functions as Vercel's documentation says that it does; not on Vercel itself.
 *
 * @example
 * ```ts
 * import { createClient, defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { toVercel } from 'tq-edge/vercel'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => 'tidied' })] })
 * const broker = sqliteBroker({ path: ':memory:' }) // on Vercel: leave it out
 * const { cron } = toVercel(app, { broker: () => broker })
 * const GET = cron // in app/api/tq-cron/route.ts: export const GET = cron
 *
 * process.env.CRON_SECRET = 'a-long-random-secret'
 * await createClient<typeof app>({ broker }).enqueue('tidy')
 * const call = (headers: HeadersInit) => GET(new Request('https://app.example/api/tq-cron', { headers }))
 * console.log((await call({})).status) // 401
 * console.log((await (await call({ authorization: 'Bearer a-long-random-secret' })).json()).drained.ran) // 1
 * ```
 */
export function toVercel(app: App, options: EdgeOptions = {}): VercelHandlers {
  const edge = createEdge(app, options, LIMITS)
  return {
    fetch: (request) => edge.fetch(request, environment(), waitUntil),
    cron: (request) =>
      withProblems(async () => {
        const secret = requiredVariable(environment(), 'CRON_SECRET', 'the secret that the cron sends')
        await createTokenCheck([secret])(request.headers.get('Authorization'), 0)
        return Response.json(await edge.cron(environment()), { headers: SAFE_HEADERS })
      }),
  }
}

/** Elsewhere, such as in `next dev`, the process goes on by itself. */
function waitUntil(work: Promise<unknown>): void {
  const context = (globalThis as VercelGlobal)[REQUEST_CONTEXT]?.get?.()
  if (context?.waitUntil) context.waitUntil(work)
  else goOn(work)
}
