import type { Context } from 'hono'
import { type BlobReference, blobOf, hasBlob } from '../blobs.ts'
import { type Broker, type ClaimedJob, type ExchangeReply, type LeaseRef, MAX_BATCH_BYTES } from '../broker.ts'
import { fromJson } from '../job.ts'
import { limitBody } from './body.ts'
import type { ApiContext } from './context.ts'
import { type ExchangeBody, exchangeBody } from './exchange-body.ts'
import { checkBody, checkNothing } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'
import { mayWork, requireWork, whoOf } from './scopes.ts'

/** A claimed job with its input as a value; null where there is none, and where it is a blob. */
export interface ClaimedView extends Omit<ClaimedJob, 'input'> {
  readonly input: unknown
  /** What the input is kept as elsewhere; null where it is not. */
  readonly inputBlob: BlobReference | null
}

/** What an exchange answers; with `texts` the jobs are as the broker has them. */
export interface ExchangeAnswer extends Omit<ExchangeReply, 'jobs'> {
  readonly jobs: readonly (ClaimedView | ClaimedJob)[]
}

export type ExchangeRoutes = {
  '/v1/exchange': { $post: Route<{ json: ExchangeBody }, ExchangeAnswer, 200> }
}

/** A text within JSON is twice as long at most. */
export const MAX_TEXTS_BYTES: number = 2 * MAX_BATCH_BYTES

/** A worker's whole protocol, for workers in any language. */
export function exchangeRoutes({ broker, send }: ApiContext): Routed<ExchangeRoutes> {
  const get: Broker['get'] = (ids) => (ids.length === 0 ? Promise.resolve([]) : send('get', () => broker.get(ids)))

  /**
   * The jobs among these of which the caller can hold no lease: an id and an epoch can be guessed. Where a token does not name all queues
   * that is a read more.
   */
  async function foreignTo(c: Context, refs: readonly LeaseRef[]): Promise<ReadonlySet<string>> {
    if (mayWork(c)) return new Set()
    const records = await get(refs.map(({ id }) => id))
    return new Set(records.flatMap((record) => (record && !mayWork(c, record.queue) ? [record.id] : [])))
  }

  return createRouteGroup().post(
    '/v1/exchange',
    limitBody(MAX_TEXTS_BYTES),
    checkNothing,
    checkBody(exchangeBody),
    async (c) => {
      const { request, texts } = c.req.valid('json')
      requireWork(c, request.queues, (at) => `queues.${at}`)
      const [settle, extend] = await Promise.all([foreignTo(c, request.settle), foreignTo(c, request.extend)])
      const own = {
        ...request,
        lane: laneOf(c, request.lane),
        settle: request.settle.filter(({ id }) => !settle.has(id)),
        extend: request.extend.filter(({ id }) => !extend.has(id)),
      }
      const { jobs, late, ...reply } = await send('exchange', () => broker.exchange(own))
      // What a token names may have become less since.
      requireWork(c, [...new Set(jobs.map(({ queue }) => queue))])
      const answer = { ...reply, jobs: texts ? jobs : jobs.map(toClaimedView), late: [...late, ...settle, ...extend] }
      return c.json<ExchangeAnswer, 200>(answer, 200)
    },
  )
}

/** Each token with scopes has lanes of its own: by a number far ahead nobody stops another's, nor is answered what that one has claimed. */
function laneOf(c: Context, lane: string): string {
  const who = whoOf(c)
  return who === '' ? lane : `${lane}.${who.slice(0, 16)}`
}

function toClaimedView(job: ClaimedJob): ClaimedView {
  const inputBlob = hasBlob(job) ? blobOf(job.input) : null
  return { ...job, input: inputBlob ? null : (fromJson(job.input) ?? null), inputBlob }
}
