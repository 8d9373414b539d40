import { createRouteGroup } from '../route-group.ts'
import { NEED, type ScopeKind, setNeeds } from '../scopes.ts'

/** What a call is allowed by: a scope, a signed link, or nothing, where everybody may make it. */
export type Need = ScopeKind | 'link' | null

export type NeedOf = (method: string, path: string) => Promise<Need>

/** Asks the very table that callers are checked by. */
export function createNeedOf(): NeedOf {
  const app = createRouteGroup()
  setNeeds(app)
  app.all('/v1/*', (c) => c.text((c.get(NEED as never) as Need) ?? 'admin'))
  app.all('*', (c) => c.body(null, 204))
  return async (method, path) => {
    const answer = await app.request(path, { method })
    return answer.status === 204 ? null : ((await answer.text()) as Need)
  }
}
