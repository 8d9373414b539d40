import { type BlobReference, blobOf, hasBlob } from '../blobs.ts'
import { type ClaimedJob, type ExchangeReply, MAX_BATCH_BYTES } from '../broker.ts'
import { fromJson } from '../job.ts'
import { limitBody } from './body.ts'
import type { ApiContext } from './context.ts'
import { type ExchangeBody, exchangeBody } from './exchange-body.ts'
import { checkBody, checkNothing } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'
import { requireWork } from './scopes.ts'

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
  return createRouteGroup().post(
    '/v1/exchange',
    limitBody(MAX_TEXTS_BYTES),
    checkNothing,
    checkBody(exchangeBody),
    async (c) => {
      const { request, texts } = c.req.valid('json')
      requireWork(c, request.queues, (at) => `queues.${at}`)
      const reply = await send('exchange', () => broker.exchange(request))
      // A lane that is another's may be answered again what that one has claimed.
      requireWork(c, [...new Set(reply.jobs.map(({ queue }) => queue))])
      return c.json<ExchangeAnswer, 200>(texts ? reply : { ...reply, jobs: reply.jobs.map(toClaimedView) }, 200)
    },
  )
}

function toClaimedView(job: ClaimedJob): ClaimedView {
  const inputBlob = hasBlob(job) ? blobOf(job.input) : null
  return { ...job, input: inputBlob ? null : (fromJson(job.input) ?? null), inputBlob }
}
