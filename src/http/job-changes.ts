import { type Broker, type LeaseRef, MAX_BATCH_JOBS } from '../broker.ts'
import { FINISHED_STATES, isFinished, type JobState } from '../words.ts'
import { limitBody } from './body.ts'
import type { ApiContext } from './context.ts'
import { checkChange, type JobsChange, type JobsMeant } from './job-filter.ts'
import type { ChangedJob } from './jobs.ts'
import { checkNothing } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'

/** What has become of many jobs, or would have. */
export interface ChangedJobs {
  /** True: nothing was changed. */
  readonly dryRun: boolean
  readonly jobs: readonly ChangedJob[]
  /** Where to go on with the same filter; null when there is nothing more. */
  readonly cursor: string | null
}

type ChangeRoute = { $post: Route<{ json: JobsChange }, ChangedJobs, 200> }

export type JobChangeRoutes = {
  '/v1/jobs/cancel': ChangeRoute
  '/v1/jobs/retry': ChangeRoute
  '/v1/jobs/promote': ChangeRoute
  '/v1/jobs/remove': ChangeRoute
}

interface Change {
  readonly call: string
  /** Whether the broker has to be told what was seen of a job. */
  readonly fenced: boolean
  /** Which jobs a filter means that names no states. */
  readonly states: readonly JobState[]
  apply(broker: Broker, seen: readonly LeaseRef[]): Promise<readonly string[]>
  /** What would become of a job in this state. */
  foresee(state: JobState): string
}

const idsOf = (seen: readonly LeaseRef[]) => seen.map(({ id }) => id)

const CANCEL: Change = {
  call: 'cancel',
  fenced: false,
  states: ['scheduled', 'queued', 'blocked', 'active', 'retrying'],
  apply: (broker, seen) => broker.cancel(idsOf(seen)),
  foresee: (state) =>
    state === 'active' ? 'asked' : isFinished(state) && state !== 'cancelled' ? 'finished' : 'cancelled',
}
const RETRY: Change = {
  call: 'retry',
  fenced: true,
  states: ['failed'],
  apply: (broker, seen) => broker.retry(seen),
  foresee: (state) => (isFinished(state) && state !== 'succeeded' ? 'queued' : 'moved'),
}
const PROMOTE: Change = {
  call: 'promote',
  fenced: true,
  states: ['scheduled', 'retrying'],
  apply: (broker, seen) => broker.promote(seen),
  foresee: (state) => (state === 'scheduled' || state === 'retrying' ? 'queued' : 'moved'),
}
const REMOVE: Change = {
  call: 'remove',
  fenced: false,
  states: FINISHED_STATES,
  apply: (broker, seen) => broker.remove(idsOf(seen)),
  foresee: (state) => (state === 'active' ? 'active' : 'removed'),
}

/** Changes many jobs, named or by a filter: a page in one step, and the same again from its cursor on. */
export function jobChangeRoutes({ broker, send, maxBodyBytes }: ApiContext): Routed<JobChangeRoutes> {
  const limit = limitBody(maxBodyBytes)

  const apply = async (kind: Change, seen: readonly LeaseRef[]) =>
    seen.length === 0 ? [] : send(kind.call, () => kind.apply(broker, seen))

  async function changeNamed(kind: Change, ids: readonly string[], dryRun: boolean): Promise<readonly ChangedJob[]> {
    if (!dryRun && !kind.fenced)
      return toChanged(
        ids,
        await apply(
          kind,
          ids.map((id) => ({ id, epoch: 0 })),
        ),
      )
    const known = (await broker.get(ids)).filter((record) => record !== null)
    const outcomes = dryRun ? known.map(({ state }) => kind.foresee(state)) : await apply(kind, known.map(toRef))
    const changed = new Map(toChanged(idsOf(known), outcomes).map((job) => [job.id, job]))
    return ids.map((id) => changed.get(id) ?? { id, outcome: 'unknown' })
  }

  async function change(kind: Change, { ids, filter, dryRun }: JobsMeant): Promise<ChangedJobs> {
    if (ids) return { dryRun, jobs: await changeNamed(kind, ids, dryRun), cursor: null }
    const page = await broker.list({ states: kind.states, limit: MAX_BATCH_JOBS, ...filter })
    const outcomes = dryRun
      ? page.jobs.map(({ state }) => kind.foresee(state))
      : await apply(kind, page.jobs.map(toRef))
    return { dryRun, jobs: toChanged(idsOf(page.jobs), outcomes), cursor: page.cursor }
  }

  return createRouteGroup()
    .post('/v1/jobs/cancel', limit, checkNothing, checkChange, async (c) =>
      c.json(await change(CANCEL, c.req.valid('json')), 200),
    )
    .post('/v1/jobs/retry', limit, checkNothing, checkChange, async (c) =>
      c.json(await change(RETRY, c.req.valid('json')), 200),
    )
    .post('/v1/jobs/promote', limit, checkNothing, checkChange, async (c) =>
      c.json(await change(PROMOTE, c.req.valid('json')), 200),
    )
    .post('/v1/jobs/remove', limit, checkNothing, checkChange, async (c) =>
      c.json(await change(REMOVE, c.req.valid('json')), 200),
    )
}

const toRef = ({ id, epoch }: LeaseRef): LeaseRef => ({ id, epoch })

function toChanged(ids: readonly string[], outcomes: readonly string[]): readonly ChangedJob[] {
  return ids.map((id, at) => ({ id, outcome: outcomes[at] as string }))
}
