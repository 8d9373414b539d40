/**
 * What a caller may do: `read`, `operate`, `enqueue:<task glob>`, `work:<queue glob>`, or everything with `admin`.
 *
 * Each is for itself: who may operate may not read. In a glob `*` stands for any characters, also none, and all else for itself.
 *
 * @module
 */
import type { Context } from 'hono'
import { refusal, toRefusal } from './problem.ts'
import type { JobRequest } from './request.ts'
import type { RouteGroup } from './route-group.ts'

export type ScopeKind = 'read' | 'operate' | 'enqueue' | 'work' | 'admin'

export interface Scope {
  readonly kind: ScopeKind
  /** The tasks or queues that it is of. */
  readonly glob: string
}

/** Whoever a request comes from. */
export interface Caller {
  /** The hash of a token with scopes; empty for all who may do everything: what is derived from it tells nothing of a token that could be guessed. */
  readonly who: string
  readonly scopes: readonly Scope[]
}

/** Who may call where nobody is asked for a token, and whoever has a token without scopes. */
export const ADMIN: Caller = { who: '', scopes: [{ kind: 'admin', glob: '*' }] }

/** Without what separates scopes and tokens where they are written as one text. */
const SCOPE = /^(?:(read|operate|admin)|(enqueue|work):([!-*\--~]{1,200}))$/
export const SCOPE_FORM = 'read, operate, admin, enqueue:<tasks> or work:<queues>'

/** Null for what is no scope. */
export function toScope(text: unknown): Scope | null {
  const [, alone, of, glob = '*'] = (typeof text === 'string' && SCOPE.exec(text)) || []
  const kind = (alone ?? of) as ScopeKind | undefined
  return kind ? { kind, glob } : null
}

/** By texts alone, so that no name and no glob can make it slow: what is between two `*` is taken where it comes first. */
export function fits(glob: string, name: string): boolean {
  const [first = '', ...rest] = glob.split('*')
  const last = rest.pop()
  if (last === undefined) return name === glob
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

/**
 * Which scope a call needs: the last line that fits. What no line names needs `admin`, such as a new route that somebody forgot. Which
 * tasks and queues it is of, the route says by `requireEnqueue` and `requireWork` once it has read the body. A link is verified there.
 */
const NEEDS: readonly (readonly [method: string, path: string, need: ScopeKind | 'link'])[] = [
  ['GET', '/v1/*', 'read'],
  ['POST', '/v1/jobs/*', 'operate'],
  ['DELETE', '/v1/jobs/*', 'operate'],
  ['POST', '/v1/queues/*', 'operate'],
  ['POST', '/v1/schedules/*', 'operate'],
  ['POST', '/v1/tasks/:task', 'enqueue'],
  ['POST', '/v1/jobs', 'enqueue'],
  ['POST', '/v1/exchange', 'work'],
  ['GET', '/v1/links/*', 'link'],
  ['POST', '/v1/links', 'link'],
]

/** By names that an app which mounts the API has no values of its own under. */
export const NEED = 'tq.need'
const CALLER = 'tq.caller'

/** Has every call know what it needs; comes before `requireScope`. */
export function setNeeds(app: RouteGroup): void {
  for (const [method, path, need] of NEEDS)
    app.use(path, (c, next) => {
      if (c.req.method === method || (method === 'GET' && c.req.method === 'HEAD')) c.set(NEED as never, need as never)
      return next()
    })
}

/** Whether a signed link stands for a token here. */
export const needsLink = (c: Context): boolean => c.get(NEED) === 'link'

/** Remembers the caller for the route. Throws `RefusedRequest` for one who has no scope of the kind that the call needs. */
export function requireScope(c: Context, caller: Caller): void {
  const kind: ScopeKind = c.get(NEED) ?? 'admin'
  if (!allows(caller.scopes, kind)) throw forbidden(kind)
  c.set(CALLER, caller)
}

const callerOf = (c: Context): Caller => c.get(CALLER) ?? { who: '', scopes: [] }

/** Who a request comes from, among the tokens with scopes. */
export const whoOf = (c: Context): string => callerOf(c).who

/**
 * Throws `RefusedRequest` for the first task of which the caller may enqueue no job. Whoever says who is told of a job's end says where its
 * result goes, and has to be one who may read it.
 */
export function requireEnqueue(
  c: Context,
  requests: readonly JobRequest[],
  pathOf: (at: number, key: keyof JobRequest) => string = () => '',
): void {
  const tasks = requests.map(({ task }) => task)
  requireEach(c, 'enqueue', tasks, (at) => pathOf(at, 'task'))
  const told = requests.findIndex(({ onSuccess, onFailure }) => onSuccess ?? onFailure)
  if (told >= 0 && !allows(callerOf(c).scopes, 'read')) throw toRefusal(forbidden('read'), pathOf(told, 'onSuccess'))
}

/** Throws `RefusedRequest` for the first queue from which the caller may claim no job. */
export function requireWork(c: Context, queues: readonly string[], pathOf = (_at: number) => ''): void {
  requireEach(c, 'work', queues, pathOf)
}

/** Whether the caller may work in a queue; without one, in all of them. */
export function mayWork(c: Context, queue?: string): boolean {
  const { scopes } = callerOf(c)
  return queue === undefined
    ? scopes.some(({ kind, glob }) => kind === 'admin' || (kind === 'work' && glob === '*'))
    : allows(scopes, 'work', queue)
}

function requireEach(
  c: Context,
  kind: 'enqueue' | 'work',
  names: readonly string[],
  pathOf: (at: number) => string,
): void {
  const { scopes } = callerOf(c)
  const wrong = names.findIndex((name) => !allows(scopes, kind, name))
  if (wrong >= 0) throw toRefusal(forbidden(`${kind}:${names[wrong]}`), pathOf(wrong))
}

/** Without a name: whether there is any that the caller may. */
export function allows(scopes: readonly Scope[], kind: ScopeKind, name?: string): boolean {
  return scopes.some((scope) => {
    if (scope.kind === 'admin') return true
    return scope.kind === kind && (name === undefined || fits(scope.glob, name))
  })
}

function forbidden(scope: string) {
  return refusal('forbidden', `expected a token with the scope "${scope}", got one without it`, {
    headers: { 'WWW-Authenticate': 'Bearer realm="tq", error="insufficient_scope"' },
  })
}
