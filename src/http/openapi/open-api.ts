import type { Context } from 'hono'
import type { ApiContext } from '../context.ts'
import { createRouteGroup, type RouteGroup } from '../route-group.ts'
import { allows } from '../scopes.ts'
import { createDocument, type Document } from './document.ts'
import { renderPage } from './page.ts'
import { PAGE_CSS } from './page-css.ts'
import { withTasks } from './task-operations.ts'

export interface OpenApiOptions {
  /** Where callers reach the API, where that is not where its document is. */
  readonly url?: string | undefined
}

/** Mounts what the API tells of itself. */
export type OpenApi = (context: Pick<ApiContext, 'tasks' | 'schedules' | 'linkSecrets' | 'identify'>) => RouteGroup

const MAX_KEPT = 8

/** The page needs nothing but its own style. */
const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; script-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  Vary: 'Authorization',
}

/**
 * For `createApi({ openapi })`: the API's OpenAPI 3.1 document at `/openapi.json`, and the same as a page at `/docs`.
 *
 * Anybody may read what every API of tq has; the names and inputs of the app's tasks are told to whoever may `read`.
 *
 * @example
 * ```ts
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createApi } from 'tq-edge/http'
 * import { openApi } from 'tq-edge/openapi'
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const api = createApi({ broker, tokens: ['a-long-random-token'], openapi: openApi() })
 *
 * const document = await (await api.request('/openapi.json')).json()
 * console.log(document.openapi, document.paths['/v1/jobs'].post.operationId) // 3.1.1 enqueueJobs
 * await broker.close()
 * ```
 */
export const openApi =
  ({ url }: OpenApiOptions = {}): OpenApi =>
  ({ tasks, schedules, linkSecrets, identify }) => {
    const parts = { schedules: schedules !== undefined, links: linkSecrets.length > 0 }
    let made: Promise<{ readonly forAnybody: Document; readonly forReaders: Document }> | undefined

    /** Worked out once, when somebody asks. */
    async function make() {
      const forAnybody = await createDocument(parts)
      return { forAnybody, forReaders: tasks ? withTasks(forAnybody, tasks.values()) : forAnybody }
    }

    /** Whoever says nothing of themselves is told what anybody is. Throws `RefusedRequest` for a token that is wrong. */
    async function mayRead(c: Context): Promise<boolean> {
      try {
        return allows((await identify(c)).caller.scopes, 'read')
      } catch (error) {
        if (c.req.header('Authorization') !== undefined) throw error
        return false
      }
    }

    const kept = new Map<string, string>()

    /** The document as it is sent, once for each place at which it is served. */
    async function sentTo(c: Context, path: string, write: (document: Document) => string): Promise<string> {
      made ??= make()
      const { forAnybody, forReaders } = await made
      const isReader = await mayRead(c)
      const server = url ?? (c.req.path.slice(0, -path.length) || '/')
      const key = `${path} ${isReader} ${server}`
      const text = kept.get(key) ?? write({ ...(isReader ? forReaders : forAnybody), servers: [{ url: server }] })
      // One app mounts it at one path: more than a few come from a path with parameters, which anybody may choose.
      if (kept.size < MAX_KEPT) kept.set(key, text)
      return text
    }

    return createRouteGroup()
      .get('/openapi.json', async (c) => {
        const json = await sentTo(c, '/openapi.json', (document) => JSON.stringify(document))
        return c.body(json, 200, { 'Content-Type': 'application/json', Vary: 'Authorization' })
      })
      .get('/docs', async (c) => c.html(await sentTo(c, '/docs', renderPage), 200, PAGE_HEADERS))
      .get('/docs/page.css', (c) => c.body(PAGE_CSS, 200, { 'Content-Type': 'text/css; charset=utf-8' }))
  }
