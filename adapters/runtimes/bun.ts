/** Bun (`tq-edge/bun`). */
import type { App } from '../../src/app.ts'
import type { Listening } from './listen.ts'
import { type ServeOptions, serveEdge } from './serve.ts'

export { hostFetch } from './host-fetch.ts'
export type { Listening, ServeOptions }

/**
 * Serves an app's REST producer by `Bun.serve`, with its settings from the environment.
 *
 * Throws `InvalidOption` for a port that is taken.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { serve } from 'tq-edge/bun'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => {} })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * const server = await serve(app, { port: 0, broker: () => broker, tokens: () => ['a-long-random-token'] })
 * console.log((await fetch(`${server.url}/healthz`)).status) // 200
 * await server.close()
 * ```
 */
export function serve(app: App, options: ServeOptions = {}): Promise<Listening> {
  return serveEdge(app, process.env, options)
}
