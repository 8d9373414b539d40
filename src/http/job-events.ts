/**
 * How a job comes along, as server-sent events. An event is what the job is by then, not what has happened to it: a client that
 * comes again is told the present once, and nothing of what it has missed. All streams of a process share its looks at the broker.
 *
 * @module
 */
import { JobNotFound } from '../errors.ts'
import type { JobRecord } from '../job.ts'
import { isFinished } from '../words.ts'
import type { ApiContext } from './context.ts'
import { MAX_STREAM_MS, type Send, toText } from './event-stream.ts'
import { tagOf } from './job-tag.ts'
import { type JobView, toJobView } from './job-view.ts'
import { checkNothing } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Routed } from './routes.ts'

/** What an event `job` tells. */
export type JobEvent = Pick<
  JobView,
  'id' | 'state' | 'attempts' | 'lost' | 'dueAtMs' | 'finishedAtMs' | 'progress' | 'result' | 'error'
>

export type JobEventRoutes = {
  '/v1/jobs/:id/events': {
    $get: { input: { param: { id: string } }; output: object; outputFormat: 'body'; status: 200 | 204 }
  }
}

export function jobEventRoutes({ broker, results, streams }: ApiContext): Routed<JobEventRoutes> {
  /** Tells of a job whenever it is another than the last that was told of. */
  function createTelling(lastId: string | undefined, send: Send) {
    let last = lastId
    let lastState = ''
    return (record: JobRecord): void => {
      // Nothing else changes within an epoch: most looks find the same, and need no digest to know.
      const state = `${record.epoch} ${record.state} ${record.progress}`
      if (state === lastState) return
      lastState = state
      const id = idOf(record)
      if (id !== last) void send(toText({ id, event: 'job', data: toEvent(record) }))
      last = id
    }
  }

  async function follow(
    first: JobRecord,
    tell: (record: JobRecord) => void,
    send: Send,
    gone: AbortSignal,
  ): Promise<void> {
    tell(first)
    if (isFinished(first.state)) return
    const record = await results.wait(first.id, MAX_STREAM_MS, gone, tell)
    if (record) tell(record)
    else void send(toText({ event: 'gone', data: { id: first.id } }))
  }

  return createRouteGroup().get('/v1/jobs/:id/events', checkNothing, async (c) => {
    const id = c.req.param('id')
    const lastId = c.req.header('Last-Event-ID')
    const [first] = await broker.get([id])
    if (!first) throw new JobNotFound(id)
    // To a browser this says not to come again.
    if (idOf(first) === lastId && isFinished(first.state)) return c.body(null, 204)
    // Nobody would read it, and so nobody end it.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' })
    return streams.open((send, gone) => follow(first, createTelling(lastId, send), send, gone))
  })
}

/** Its ETag, without the quotes. */
const idOf = (record: JobRecord) => tagOf(record).replaceAll('"', '')

function toEvent(record: JobRecord): JobEvent {
  const { id, state, attempts, lost, dueAtMs, finishedAtMs, progress, result, error } = toJobView(record)
  return { id, state, attempts, lost, dueAtMs, finishedAtMs, progress, result, error }
}
