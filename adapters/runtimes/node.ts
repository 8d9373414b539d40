/** Node (`tq-edge/node`). */
import type { App } from '../../src/app.ts'
import type { FetchHandler, Listening } from './listen.ts'
import { type Listener, toListener } from './listener.ts'
import { type ServeOptions, serveEdge } from './serve.ts'

export { hostFetch } from './host-fetch.ts'
export type { FetchHandler, Listener, Listening, ServeOptions }
export { toListener }

/**
 * Serves an app's REST producer by `node:http`, with its settings from the environment.
 *
 * Throws `InvalidOption` for a port that is taken.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { serve } from 'tq-edge/node'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => {} })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * const server = await serve(app, { port: 0, broker: () => broker, tokens: () => ['a-long-random-token'] })
 * console.log((await fetch(`${server.url}/v1/jobs/nobody`)).status) // 401
 * await server.close()
 * ```
 */
export function serve(app: App, options: ServeOptions = {}): Promise<Listening> {
  return serveEdge(app, process.env, options)
}
