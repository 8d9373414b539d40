import type { Context } from 'hono'
import * as v from 'valibot'
import { InvalidInput, ScheduleMoved, ScheduleNotFound, UnknownTask } from '../errors.ts'
import type {
  ChangeOptions,
  NextOptions,
  RunOutcome,
  RunView,
  ScheduleData,
  SchedulesPage,
  SchedulesQuery,
  ScheduleView,
} from '../schedules.ts'
import { limitBody } from './body.ts'
import type { ApiContext } from './context.ts'
import { locationOf } from './enqueue.ts'
import { form, objectOf, whole } from './fields.ts'
import { type Keyed, requireNoId } from './idempotency.ts'
import { refusal, toRefusal } from './problem.ts'
import { checkBody, checkInput, checkQuery, fromText, ms, name, newJobId } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'
import { requireEnqueue } from './scopes.ts'

/** Which schedules, in the query. */
export interface ScheduleListQuery {
  readonly app?: string | undefined
  readonly limit?: string | undefined
  readonly cursor?: string | undefined
}

/** Which due times, in the query. */
export interface NextQuery {
  readonly count?: string | undefined
  readonly afterMs?: string | undefined
}

/** The id of the job, in the query. */
export interface RunQuery {
  readonly id?: string | undefined
}

/** A schedule as the API takes it; its name is the path's. */
export type ScheduleBody = Omit<ScheduleData, 'name'>

type Named = { param: { name: string } }

export type ScheduleRoutes = {
  '/v1/schedules': { $get: Route<{ query: ScheduleListQuery }, SchedulesPage, 200> }
  '/v1/schedules/:name': {
    $get: Route<Named, ScheduleView, 200>
    $put: Route<Named & { json: ScheduleBody }, ScheduleView, 200 | 201>
    $delete: { input: Named; output: null; outputFormat: 'body'; status: 204 }
  }
  '/v1/schedules/:name/pause': { $post: Route<Named, ScheduleView, 200> }
  '/v1/schedules/:name/resume': { $post: Route<Named, ScheduleView, 200> }
  '/v1/schedules/:name/run': { $post: Route<Named & { query: RunQuery; json?: unknown }, RunOutcome, 200 | 202> }
  '/v1/schedules/:name/history': { $get: Route<Named, { runs: readonly RunView[] }, 200> }
  '/v1/schedules/:name/next': {
    $get: Route<Named & { query: NextQuery }, { dueAtMs: readonly number[] }, 200>
  }
}

const MS = 'expected milliseconds, 0 or more'
const COUNT = 'expected a whole number from 1 to 1000'
const count = whole(COUNT, 1, 1_000)

export const schedulesQuery: v.GenericSchema<ScheduleListQuery, SchedulesQuery> = objectOf({
  app: v.optional(name),
  limit: v.optional(fromText(count, COUNT)),
  cursor: v.optional(name),
})
export const nextQuery: v.GenericSchema<NextQuery, NextOptions> = objectOf({
  count: v.optional(fromText(count, COUNT)),
  afterMs: v.optional(fromText(ms, MS)),
})
export const runQuery: v.GenericSchema<RunQuery, RunQuery> = objectOf({ id: v.optional(newJobId) })
const FIELDS = 'task, input, queue, priority, rule, catchUp, overlap, pingUrl'
/** What a loose object is read without, and would not be refused. */
const UNREAD = ['__proto__', 'constructor', 'prototype']
const schedule = v.pipe(
  v.custom<{ [field: string]: unknown; name?: undefined }>(
    (body) => UNREAD.every((key) => !Object.hasOwn(Object(body), key)),
    `expected nothing but ${FIELDS}`,
  ),
  v.looseObject({ name: v.optional(v.undefined('expected no name but that of the path')) }, form(FIELDS)),
)

/** The routes of `/v1/schedules`. An API that was given none answers as if there were no such paths. */
export function scheduleRoutes({ broker, schedules: given, maxBodyBytes, once }: ApiContext): Routed<ScheduleRoutes> {
  const limit = limitBody(maxBodyBytes)
  const schedules = () => {
    if (given) return given
    throw refusal('unknown-route', 'expected an API that was given schedules, got one without')
  }

  /** Reads what is there only for a caller that says what is to be there. */
  async function seenBy(c: Context, name: string): Promise<ChangeOptions> {
    return isConditional(c) ? requireSeen(c, name, await schedules().get(name)) : {}
  }

  async function runKeyed(
    name: string,
    given: string | undefined,
    input: unknown,
    { id, fingerprint, replayed }: Keyed,
  ): Promise<RunOutcome> {
    requireNoId([given])
    const outcome = await schedules().run(name, { id, input, fingerprint })
    if (outcome.outcome !== 'existing') return outcome
    replayed()
    // What was skipped has left nothing but its id.
    const [job] = await broker.get([id])
    return job ? { jobId: id, outcome: 'fired' } : { jobId: null, outcome: 'skipped' }
  }

  return createRouteGroup()
    .get('/v1/schedules', checkQuery(schedulesQuery), async (c) =>
      c.json(await schedules().list(c.req.valid('query')), 200),
    )
    .get('/v1/schedules/:name', async (c) => {
      const name = c.req.param('name')
      const found = await schedules().get(name)
      if (!found) throw new ScheduleNotFound(name)
      return c.json(found, 200, tagged(found))
    })
    .put('/v1/schedules/:name', limit, checkBody(schedule), async (c) => {
      const name = c.req.param('name')
      const found = await schedules().get(name)
      const options = requireSeen(c, name, found)
      // What it is, is checked there: the one place that knows of rules.
      const data = { ...c.req.valid('json'), name } as ScheduleData
      const set = await schedules().set(data, options).catch(refuse)
      return c.json(set, found ? 200 : 201, tagged(set))
    })
    .delete('/v1/schedules/:name', async (c) => {
      const name = c.req.param('name')
      await schedules().remove(name, await seenBy(c, name))
      return c.body(null, 204)
    })
    .post('/v1/schedules/:name/pause', async (c) => {
      const name = c.req.param('name')
      const paused = await schedules().pause(name, await seenBy(c, name))
      return c.json(paused, 200, tagged(paused))
    })
    .post('/v1/schedules/:name/resume', async (c) => {
      const name = c.req.param('name')
      const resumed = await schedules().resume(name, await seenBy(c, name))
      return c.json(resumed, 200, tagged(resumed))
    })
    .post('/v1/schedules/:name/run', limit, checkQuery(runQuery), checkInput, async (c) => {
      const { id } = c.req.valid('query')
      const { input } = c.req.valid('json')
      const name = c.req.param('name')
      // Who gives an input of their own enqueues a job of their own, whoever has made the schedule.
      if (input !== undefined) requireEnqueue(c, [{ task: (await schedules().get(name))?.task ?? '' }])
      const outcome = await once(c, { request: { of: 'run', name, input } }, (keyed) =>
        (keyed ? runKeyed(name, id, input, keyed) : schedules().run(name, { id, input })).catch(refuse),
      )
      const { jobId } = outcome
      return jobId === null ? c.json(outcome, 200) : c.json(outcome, 202, { Location: locationOf(jobId) })
    })
    .get('/v1/schedules/:name/history', async (c) =>
      c.json({ runs: await schedules().history(c.req.param('name')) }, 200),
    )
    .get('/v1/schedules/:name/next', checkQuery(nextQuery), async (c) =>
      c.json({ dueAtMs: await schedules().next(c.req.param('name'), c.req.valid('query')) }, 200),
    )
}

const etagOf = ({ revision }: ScheduleView) => `"${revision}"`
const tagged = (view: ScheduleView) => ({ ETag: etagOf(view) })
const tagsOf = (header: string) => header.split(',').map((tag) => tag.trim())
const isConditional = ({ req }: Context) => (req.header('If-Match') ?? req.header('If-None-Match')) !== undefined

/** The revision that a change is based on, where its caller says what it has seen. Throws `ScheduleMoved` where that is not there. */
function requireSeen(c: Context, name: string, found: ScheduleView | null): ChangeOptions {
  if (!isConditional(c)) return {}
  const [match, noneMatch] = [c.req.header('If-Match'), c.req.header('If-None-Match')]
  if (noneMatch !== undefined && noneMatch !== '*')
    throw refusal('invalid-request', 'expected If-None-Match to be *, for a schedule that is not there yet')
  const there = found ? `at revision ${found.revision}` : 'not there'
  if (match !== undefined && !(found && tagsOf(match).some((tag) => tag === '*' || tag === etagOf(found))))
    throw new ScheduleMoved(name, 'as If-Match has it', there)
  if (noneMatch && found) throw new ScheduleMoved(name, 'not there', there)
  return { revision: found?.revision ?? 0 }
}

/** Says where in the body it is. */
function refuse(error: unknown): never {
  throw toRefusal(error, error instanceof InvalidInput ? 'input' : error instanceof UnknownTask ? 'task' : '')
}
