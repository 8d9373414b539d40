/**
 * Where the API is: at the root, below its base path, or wherever a Hono app of somebody else's has mounted it.
 *
 * Found by what the request itself tells. Hono's helpers know only the requests of their own copy of Hono, and that app's is often another.
 *
 * @module
 */
import type { Context, Handler } from 'hono'
import { TrieRouter } from 'hono/router/trie-router'
import { describe, InvalidOption } from '../errors.ts'
import { refusal } from './problem.ts'

const BASE_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)*$/

/** Throws `InvalidOption` for what no path begins with, or what a router would read as more than a path. */
export function checkBasePath(basePath: string): string {
  if (typeof basePath === 'string' && BASE_PATH.test(basePath)) return basePath
  throw new InvalidOption('basePath', 'a path such as /api/tq, without a / at its end', describe(basePath))
}

/** What comes before the API's own paths, as the caller has written it; `at` is the place of a middleware of all of them. */
export function mountedAt(c: Context, at: number): string {
  return new URL(c.req.url).pathname.split('/').slice(0, depthOf(c, at)).join('/')
}

/** Whether the host is not the API's alone. */
export const isMounted = (c: Context, at: number): boolean => depthOf(c, at) > 1

/** How many parts that is, of `/tq/*` two: a name and what is before the first `/`. */
function depthOf(c: Context, at: number): number {
  const pattern = c.req.matchedRoutes[at]?.path ?? ''
  return pattern.split('/').length - 1
}

interface Routes {
  readonly routes: readonly { readonly method: string; readonly path: string }[]
}

/**
 * What answers for all paths that no route has taken, and for methods that their path does not take. It is a route like the others, and
 * the last one: an app that mounts this one goes on to its own routes and pages otherwise.
 */
export function refuseRest({ routes }: Routes, basePath: string): Handler {
  let router: TrieRouter<string> | undefined
  const methodsOf = (path: string): ReadonlySet<string> => {
    router ??= toRouter(routes, basePath)
    const methods = router.match('ALL', path)[0].map(([method]) => method)
    return new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))
  }
  return (c) => {
    const { method, path, routeIndex } = c.req
    const methods = methodsOf(`/${path.split('/').slice(depthOf(c, routeIndex)).join('/')}`)
    if (methods.size === 0) throw refusal('unknown-route', `expected a path of this API, got ${path}`)
    const Allow = [...methods].join(', ')
    throw refusal('method-not-allowed', `expected ${Allow}, got ${method}`, { headers: { Allow } })
  }
}

function toRouter(routes: Routes['routes'], basePath: string): TrieRouter<string> {
  const router = new TrieRouter<string>()
  for (const { method, path } of routes) if (method !== 'ALL') router.add('ALL', path.slice(basePath.length), method)
  return router
}
