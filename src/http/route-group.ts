import { HonoBase } from 'hono/hono-base'
import { TrieRouter } from 'hono/router/trie-router'
import type { BlankEnv, BlankSchema } from 'hono/types'

/** Routes that stand together, and the API as a whole. */
export type RouteGroup = HonoBase<BlankEnv, BlankSchema, '/', '/'>

/**
 * A Hono app of the one router that takes the API's paths, as they overlap. `Hono` brings another one as well: it would be built
 * at an instance's first request, and given up.
 */
export function createRouteGroup(): RouteGroup {
  return new HonoBase({ router: new TrieRouter() })
}
