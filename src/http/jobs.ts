import type { Context } from 'hono'
import type { CancelOutcome } from '../broker.ts'
import { JobNotFound } from '../errors.ts'
import type { JobRecord } from '../job.ts'
import { isFinished } from '../words.ts'
import { limitBody } from './body.ts'
import type { ApiContext } from './context.ts'
import { type EnqueuedJob, type JobAnswer, locationOf, only, statusOf, toAnswer } from './enqueue.ts'
import { checkFilter, type FilterQuery } from './job-filter.ts'
import { epochOf, tagOf, unlessSeen } from './job-tag.ts'
import { type JobView, type ResultView, resultOf, toJobView } from './job-view.ts'
import { refusal } from './problem.ts'
import { checkJobs, checkNothing, checkWait, type JobsBody, type WaitQuery } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'
import { requireEnqueue } from './scopes.ts'

/** A page of jobs. It may be short, and even empty: its cursor alone says whether there is more. */
export interface JobsView {
  readonly jobs: readonly JobView[]
  readonly cursor: string | null
}

/** What has become of a job that somebody wanted changed. */
export interface ChangedJob<Outcome extends string = string> {
  readonly id: string
  readonly outcome: Outcome
}

type OfJob = { param: { id: string } }

export type JobRoutes = {
  '/v1/jobs': {
    $get: Route<{ query: FilterQuery }, JobsView, 200>
    $post: Route<{ json: JobsBody }, EnqueuedJob, 202> | Route<{ json: JobsBody }, { jobs: JobAnswer[] }, 202 | 207>
  }
  '/v1/jobs/:id': {
    $get: Route<OfJob, JobView, 200>
    $delete: Route<OfJob, ChangedJob<'removed'>, 200>
  }
  '/v1/jobs/:id/result': { $get: Route<OfJob & { query: WaitQuery }, ResultView, 200 | 202> }
  '/v1/jobs/:id/cancel': { $post: Route<OfJob, ChangedJob<'cancelled' | 'asked'>, 200 | 202> }
  '/v1/jobs/:id/retry': { $post: Route<OfJob, ChangedJob<'queued'>, 200> }
  '/v1/jobs/:id/promote': { $post: Route<OfJob, ChangedJob<'queued'>, 200> }
}

/** Enqueues jobs, tells of them, and changes what becomes of one. */
export function jobRoutes({
  broker,
  client,
  enqueue: { check, enqueue },
  maxBodyBytes,
  once,
  send,
}: ApiContext): Routed<JobRoutes> {
  async function read(id: string): Promise<JobRecord> {
    const [record] = await broker.get([id])
    if (!record) throw new JobNotFound(id)
    return record
  }

  /** For changes that the broker does not fence itself: a caller who says what they have seen has it looked at first. */
  async function requireSeen(c: Context, id: string): Promise<void> {
    const ifMatch = c.req.header('If-Match')
    if (epochOf(ifMatch) !== undefined && tagOf(await read(id)) !== ifMatch?.trim()) throw changed(id)
  }

  /** The epoch that the caller saw or, where they do not say, the one that is. */
  async function epochSeen(c: Context, id: string): Promise<number> {
    const seen = epochOf(c.req.header('If-Match'))
    if (seen === null) throw changed(id)
    return seen ?? (await read(id)).epoch
  }

  /** Why nothing was done: there is no such job, it is another than the caller has seen, or in a state that does not allow it. */
  async function whyNot(c: Context, id: string, expected: string): Promise<Error> {
    const record = await read(id)
    const seen = epochOf(c.req.header('If-Match'))
    if (seen !== undefined && seen !== record.epoch) return changed(id)
    return refusal('job-state', `expected job "${id}" to be ${expected}, got ${record.state}`)
  }

  return createRouteGroup()
    .get('/v1/jobs', checkFilter, async (c) => {
      const { jobs, cursor } = await broker.list(c.req.valid('query'))
      return c.json({ jobs: jobs.map(toJobView), cursor }, 200)
    })
    .post('/v1/jobs', limitBody(maxBodyBytes), checkJobs, async (c) => {
      const { requests, pathOf, many } = c.req.valid('json')
      requireEnqueue(c, requests, pathOf)
      await check(requests, pathOf)
      const outcomes = await once(c, { request: { of: 'jobs', many, requests } }, (keyed) => enqueue(requests, keyed))
      if (many) return c.json({ jobs: outcomes.map(toAnswer) }, statusOf(outcomes))
      const job = only(outcomes)
      return c.json(job, 202, { Location: locationOf(job.id) })
    })
    .get('/v1/jobs/:id', unlessSeen, async (c) => {
      const record = await read(c.req.param('id'))
      // To be kept, if at all, by the caller alone, and asked for again each time.
      return c.json(toJobView(record), 200, { ETag: tagOf(record), 'Cache-Control': 'private, no-cache' })
    })
    .get('/v1/jobs/:id/result', checkWait, async (c) => {
      const { waitMs } = c.req.valid('query')
      const outcome = await resultOf(client.job(c.req.param('id')), waitMs, c.req.raw.signal)
      return isFinished(outcome.state) ? c.json(outcome, 200) : c.json(outcome, 202, { 'Retry-After': '1' })
    })
    .post('/v1/jobs/:id/cancel', checkNothing, async (c) => {
      const id = c.req.param('id')
      await requireSeen(c, id)
      const [outcome] = (await send('cancel', () => broker.cancel([id]))) as [CancelOutcome]
      if (outcome === 'finished' || outcome === 'unknown') throw await whyNot(c, id, 'waiting or active')
      return c.json({ id, outcome }, outcome === 'asked' ? 202 : 200, { Location: locationOf(id) })
    })
    .post('/v1/jobs/:id/retry', checkNothing, async (c) => {
      const id = c.req.param('id')
      const epoch = await epochSeen(c, id)
      const [outcome] = await send('retry', () => broker.retry([{ id, epoch }]))
      if (outcome !== 'queued') throw await whyNot(c, id, 'failed or cancelled')
      return c.json({ id, outcome }, 200)
    })
    .post('/v1/jobs/:id/promote', checkNothing, async (c) => {
      const id = c.req.param('id')
      const epoch = await epochSeen(c, id)
      const [outcome] = await send('promote', () => broker.promote([{ id, epoch }]))
      if (outcome !== 'queued') throw await whyNot(c, id, 'scheduled or retrying')
      return c.json({ id, outcome }, 200)
    })
    .delete('/v1/jobs/:id', checkNothing, async (c) => {
      const id = c.req.param('id')
      await requireSeen(c, id)
      const [outcome] = await send('remove', () => broker.remove([id]))
      if (outcome !== 'removed') throw await whyNot(c, id, 'cancelled first')
      return c.json({ id, outcome }, 200)
    })
}

function changed(id: string) {
  return refusal('changed', `expected job "${id}" to be as its ETag in If-Match says, got another: read it again`)
}
