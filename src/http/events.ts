/**
 * What becomes of all jobs, as server-sent events, where the broker keeps it. All streams of a process share its looks at the broker.
 *
 * @module
 */
import * as v from 'valibot'
import type { Transition, TransitionPage } from '../broker.ts'
import { createTransitionFeed, type Following } from '../transition-feed.ts'
import { JOB_STATES } from '../words.ts'
import type { ApiContext } from './context.ts'
import { HEARTBEAT_MS, MAX_STREAM_MS, type Send, toText } from './event-stream.ts'
import { objectOf } from './fields.ts'
import { type Checked, checkQuery, name } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Routed } from './routes.ts'

/** What an event `job` of `GET /v1/events` tells: what a job was changed to. */
export type TransitionEvent = Omit<Transition, 'cursor'>

export interface EventsQuery {
  /** Where to go on; a client that comes again says so by `Last-Event-ID`. */
  readonly after?: string | undefined
  /** States, and `removed`, separated by commas. */
  readonly state?: string | undefined
  readonly queue?: string | undefined
  readonly task?: string | undefined
}

export type EventRoutes = {
  '/v1/events': {
    $get: { input: { query: EventsQuery }; output: object; outputFormat: 'body'; status: 200 }
  }
}

const STATES = [...JOB_STATES, 'removed'] as const
const STATE = `expected states of ${STATES.join(', ')}`
const AFTER = 'expected the id of an earlier event'

interface Wanted {
  readonly after?: string | undefined
  readonly state?: readonly Transition['state'][] | undefined
  readonly queue?: string | undefined
  readonly task?: string | undefined
}

export const eventsQuery: v.GenericSchema<EventsQuery, Wanted> = objectOf({
  after: v.optional(v.pipe(v.string(AFTER), v.maxLength(200, AFTER))),
  state: v.optional(
    v.pipe(
      v.string(STATE),
      v.maxLength(200, STATE),
      v.transform((text) => text.split(',')),
      v.array(v.picklist(STATES, STATE)),
    ),
  ),
  queue: v.optional(name),
  task: v.optional(name),
})
const checkEvents: Checked<{ in: { query: EventsQuery }; out: { query: Wanted } }> = checkQuery(eventsQuery)

export function eventRoutes({ broker, clock, streams, reading }: ApiContext): Routed<EventRoutes> {
  const feed = createTransitionFeed(broker, reading)
  /** A page is the same for all: what is sent of it is written once. */
  const texts = new WeakMap<Transition, string>()

  function textOf(transition: Transition): string {
    const { cursor: id, ...data } = transition
    const text = texts.get(transition) ?? toText({ id, event: 'job', data })
    texts.set(transition, text)
    return text
  }

  /** Of what it leaves out it tells the place now and then, so that a client that comes again does not go through it again. */
  function createTelling(wanted: Wanted, send: Send) {
    let placedAtMs = Number.NEGATIVE_INFINITY
    return ({ transitions, cursor, gap }: TransitionPage) => {
      const nowMs = clock.monotonic()
      const text = transitions
        .filter((one) => fits(one, wanted))
        .map(textOf)
        .join('')
      const place = text === '' && nowMs - placedAtMs >= HEARTBEAT_MS ? `id: ${cursor}\n\n` : ''
      if (text || place) placedAtMs = nowMs
      const told = `${gap ? toText({ event: 'gap', data: {} }) : ''}${text}${place}`
      return told ? send(told) : undefined
    }
  }

  async function follow(following: Following, wanted: Wanted, send: Send, gone: AbortSignal): Promise<void> {
    const over = new AbortController()
    const end = () => over.abort()
    const cancel = clock.after(MAX_STREAM_MS, end)
    gone.addEventListener('abort', end)
    await following.run(createTelling(wanted, send), over.signal).finally(cancel)
  }

  return createRouteGroup().get('/v1/events', checkEvents, async (c) => {
    const { after, ...wanted } = c.req.valid('query')
    const following = await feed.open(c.req.header('Last-Event-ID') || after)
    // Nobody would read it, and so nobody end it.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' })
    return streams.open((send, gone) => follow(following, wanted, send, gone))
  })
}

function fits({ state, queue, task }: Transition, wanted: Wanted): boolean {
  return (
    (!wanted.state || wanted.state.includes(state)) &&
    (wanted.queue === undefined || wanted.queue === queue) &&
    (wanted.task === undefined || wanted.task === task)
  )
}
