/** Any platform that calls a function with a `Request` (`tq-edge/fetch`). */
import type { App } from '../../src/app.ts'
import { createEdge, type EdgeOptions, goOn } from './edge.ts'
import { environment, type Variables } from './variables.ts'

/** Where the platform has no `waitUntil`, work just goes on after the answer, for as long as the process does. */
export type FetchEntry = (
  request: Request,
  variables?: Variables,
  waitUntil?: (work: Promise<unknown>) => void,
) => Promise<Response>

/**
 * Turns an app into a plain fetch handler: the REST producer, for platforms that have no entry of their own.
 *
 * Settings come from `variables`, by default the process's environment. One that is missing is named in an answer of 500.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { toFetch } from 'tq-edge/fetch'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => {} })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * const handle = toFetch(app, { broker: () => broker })
 *
 * const headers = { authorization: 'Bearer a-long-random-token' }
 * const request = new Request('https://app.example/v1/tasks/tidy', { method: 'POST', headers })
 * console.log((await handle(request, { TQ_TOKENS: 'a-long-random-token' })).status) // 202
 * ```
 */
export function toFetch(app: App, options: EdgeOptions = {}): FetchEntry {
  const edge = createEdge(app, options)
  return (request, variables = environment(), waitUntil = goOn) => edge.fetch(request, variables, waitUntil)
}
