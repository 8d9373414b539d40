import type { Context } from 'hono'
import * as v from 'valibot'
import { MAX_BATCH_JOBS, type QueueStats } from '../broker.ts'
import { limitBody } from './body.ts'
import type { ApiContext } from './context.ts'
import { objectOf, whole } from './fields.ts'
import { refusal } from './problem.ts'
import { checkBody, checkName, checkNothing } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'

/** A queue as the API tells of it, also one that nobody has used. */
export type QueueView = QueueStats

/** Whether workers may claim from a queue, as a call has left it. */
export interface PausedQueue {
  readonly queue: string
  readonly paused: boolean
  readonly revision: number
}

/** What a purge has removed, and where the queue stands by now. */
export interface PurgedQueue {
  readonly queue: string
  readonly removed: number
  /** Whether more may wait there: purge again. */
  readonly more: boolean
  readonly revision: number
}

/** What a change of a queue is based on, where `If-Match` does not say it. */
export interface QueueChange {
  readonly revision?: number | undefined
}

export interface QueuePurge extends QueueChange {
  /** The most to remove in this call, from 1 to 1,000; default 1,000. */
  readonly limit?: number | undefined
}

type OfQueue = { param: { queue: string } }

export type QueueRoutes = {
  '/v1/queues': { $get: Route<object, { nowMs: number; queues: QueueView[] }, 200> }
  '/v1/queues/:queue': { $get: Route<OfQueue, QueueView, 200> }
  '/v1/queues/:queue/pause': { $post: Route<OfQueue & { json?: QueueChange }, PausedQueue, 200> }
  '/v1/queues/:queue/resume': { $post: Route<OfQueue & { json?: QueueChange }, PausedQueue, 200> }
  '/v1/queues/:queue/purge': { $post: Route<OfQueue & { json?: QueuePurge }, PurgedQueue, 200> }
}

const REVISION = 'expected a revision, a whole number, 0 or more'
const LIMIT = `expected a whole number from 1 to ${MAX_BATCH_JOBS}`
const revision = v.optional(whole(REVISION))
const limit = whole(LIMIT, 1, MAX_BATCH_JOBS)

export const queueChange: v.GenericSchema<QueueChange> = objectOf({ revision })
export const queuePurge: v.GenericSchema<QueuePurge> = objectOf({ revision, limit: v.optional(limit) })

/** Counts the jobs of queues, says whether workers may claim from them, and empties them. */
export function queueRoutes({ broker, send, maxBodyBytes }: ApiContext): Routed<QueueRoutes> {
  const limited = limitBody(maxBodyBytes)
  const change = checkBody(queueChange)

  async function queueOf(queue: string): Promise<QueueView> {
    return (await broker.stats({ queues: [queue] })).queues[0] ?? { queue, paused: false, revision: 0, counts: {} }
  }

  async function setPaused(c: Context, paused: boolean, given: QueueChange): Promise<PausedQueue> {
    const queue = c.req.param('queue') as string
    const seen = revisionSeen(c, given)
    const current = seen === undefined ? await queueOf(queue) : undefined
    // Already so: nothing is written.
    if (current?.paused === paused) return { queue, paused, revision: current.revision }
    const revision = seen ?? current?.revision ?? 0
    if ((await send('setPaused', () => broker.setPaused(queue, paused, revision))) === 'moved') throw changed(queue)
    return { queue, paused, revision: revision + 1 }
  }

  async function purge(c: Context, { limit: most, ...given }: QueuePurge): Promise<PurgedQueue> {
    const queue = c.req.param('queue') as string
    const fence = revisionSeen(c, given)
    const seen = fence ?? (await queueOf(queue)).revision
    const { outcome, removed, more } = await send('purge', () => broker.purge(queue, seen, most))
    if (outcome === 'purged') return { queue, removed, more, revision: seen + 1 }
    // Also where a copy of this very call came first: whoever does not say what they saw goes on from there.
    if (fence === undefined) return { queue, removed: 0, more: true, revision: (await queueOf(queue)).revision }
    throw changed(queue)
  }

  return createRouteGroup()
    .get('/v1/queues', checkNothing, async (c) => {
      const { nowMs, queues } = await broker.stats()
      return c.json({ nowMs, queues: [...queues] }, 200)
    })
    .get('/v1/queues/:queue', checkNothing, checkName('queue'), async (c) => {
      const view = await queueOf(c.req.param('queue'))
      return c.json(view, 200, { ETag: `"${view.revision}"` })
    })
    .post('/v1/queues/:queue/pause', limited, checkNothing, checkName('queue'), change, async (c) =>
      c.json(await setPaused(c, true, c.req.valid('json')), 200),
    )
    .post('/v1/queues/:queue/resume', limited, checkNothing, checkName('queue'), change, async (c) =>
      c.json(await setPaused(c, false, c.req.valid('json')), 200),
    )
    .post('/v1/queues/:queue/purge', limited, checkNothing, checkName('queue'), checkBody(queuePurge), async (c) =>
      c.json(await purge(c, c.req.valid('json')), 200),
    )
}

/** Undefined where the caller does not say what they have seen. */
function revisionSeen(c: Context, { revision }: QueueChange): number | undefined {
  const ifMatch = c.req.header('If-Match')?.trim()
  if (ifMatch === undefined || ifMatch === '*') return revision
  const seen = /^"(\d{1,15})"$/.exec(ifMatch)?.[1]
  if (seen === undefined) throw changed(c.req.param('queue') as string)
  return Number(seen)
}

function changed(queue: string) {
  return refusal('changed', `expected the queue "${queue}" at the revision given, got another: read it again`)
}
