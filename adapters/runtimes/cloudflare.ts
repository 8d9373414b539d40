/** Cloudflare Workers (`tq-edge/cloudflare`). */
import type { App } from '../../src/app.ts'
import { createEdge, type EdgeOptions } from './edge.ts'
import type { Variables } from './variables.ts'

/** The little that is needed of a Worker's types; `@cloudflare/workers-types` has them all. */
export interface WorkerContext {
  waitUntil(work: Promise<unknown>): void
}

export interface WorkerHandlers {
  fetch(request: Request, env: object, context: WorkerContext): Promise<Response>
  scheduled(controller: unknown, env: object): Promise<void>
}

/**
 * Turns an app into a Worker: the REST producer, and with each cron trigger a beat and a drain.
 *
 * Settings come from `env`: `UPSTASH_REDIS_REST_URL`, and the secrets `UPSTASH_REDIS_REST_TOKEN` and `TQ_TOKENS`. A binding
 * `CF_VERSION_METADATA` (`[version_metadata]` in wrangler.toml) says which of two versions is the newer one. A request is answered
 * 500 with the name of a setting that is missing; a trigger rejects with `InvalidOption`.
 *
 * @example
 * ```ts
 * import { createClient, defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { toWorker } from 'tq-edge/cloudflare'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => 'tidied' })] })
 * const broker = sqliteBroker({ path: ':memory:' }) // on Workers: leave it out
 * const worker = toWorker(app, { broker: () => broker, drain: { stay: false } })
 *
 * const job = await createClient<typeof app>({ broker }).enqueue('tidy')
 * await worker.scheduled({ cron: '* * * * *' }, {})
 * console.log(await job.result()) // tidied
 * ```
 */
export function toWorker(app: App, options: EdgeOptions = {}): WorkerHandlers {
  const edge = createEdge(app, { stampMs: versionStampMs, ...options })
  return {
    fetch: (request, env, context) => edge.fetch(request, env as Variables, (work) => context.waitUntil(work)),
    async scheduled(_controller, env) {
      await edge.cron(env as Variables)
    },
  }
}

/** https://developers.cloudflare.com/workers/runtime-apis/bindings/version-metadata/ */
function versionStampMs({ CF_VERSION_METADATA: version }: Variables): number | undefined {
  const stampMs = Date.parse(String((version as { timestamp?: string } | undefined)?.timestamp))
  return Number.isNaN(stampMs) ? undefined : stampMs
}
