import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { InvalidInput, ScheduleMoved, ScheduleNotFound, UnknownTask } from '../errors.ts'
import type { ChangeOptions, ScheduleData, Schedules, ScheduleView } from '../schedules.ts'
import { locationOf } from './enqueue.ts'
import { refusal, toRefusal } from './problem.ts'
import { checkInput, checkNext, checkRun, checkSchedule, checkSchedules } from './request.ts'

/** The routes of `/v1/schedules`. An API that was given none answers as if there were no such paths. */
export function createScheduleRoutes(given: Schedules | undefined, limit: MiddlewareHandler) {
  const schedules = () => {
    if (given) return given
    throw refusal('unknown-route', 'expected an API that was given schedules, got one without')
  }

  /** Reads what is there only for a caller that says what is to be there. */
  async function seenBy(c: Context, name: string): Promise<ChangeOptions> {
    return isConditional(c) ? requireSeen(c, name, await schedules().get(name)) : {}
  }

  return new Hono()
    .get('/', checkSchedules, async (c) => c.json(await schedules().list(c.req.valid('query')), 200))
    .get('/:name', async (c) => {
      const name = c.req.param('name')
      const found = await schedules().get(name)
      if (!found) throw new ScheduleNotFound(name)
      return c.json(found, 200, tagged(found))
    })
    .put('/:name', limit, checkSchedule, async (c) => {
      const name = c.req.param('name')
      const found = await schedules().get(name)
      const options = requireSeen(c, name, found)
      // What it is, is checked there: the one place that knows of rules.
      const data = { ...c.req.valid('json'), name } as ScheduleData
      const set = await schedules().set(data, options).catch(refuse)
      return c.json(set, found ? 200 : 201, tagged(set))
    })
    .delete('/:name', async (c) => {
      const name = c.req.param('name')
      await schedules().remove(name, await seenBy(c, name))
      return c.body(null, 204)
    })
    .post('/:name/pause', async (c) => {
      const name = c.req.param('name')
      const paused = await schedules().pause(name, await seenBy(c, name))
      return c.json(paused, 200, tagged(paused))
    })
    .post('/:name/resume', async (c) => {
      const name = c.req.param('name')
      const resumed = await schedules().resume(name, await seenBy(c, name))
      return c.json(resumed, 200, tagged(resumed))
    })
    .post('/:name/run', limit, checkRun, checkInput, async (c) => {
      const { id } = c.req.valid('query')
      const { input } = c.req.valid('json')
      const outcome = await schedules().run(c.req.param('name'), { id, input }).catch(refuse)
      const { jobId } = outcome
      return jobId === null ? c.json(outcome, 200) : c.json(outcome, 202, { Location: locationOf(jobId) })
    })
    .get('/:name/history', async (c) => c.json({ runs: await schedules().history(c.req.param('name')) }, 200))
    .get('/:name/next', checkNext, async (c) =>
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
