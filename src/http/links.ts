import type { Context } from 'hono'
import * as v from 'valibot'
import { JobNotFound } from '../errors.ts'
import { type Link, readLink } from '../links.ts'
import { isFinished } from '../words.ts'
import { limitBody, readJson } from './body.ts'
import type { ApiContext } from './context.ts'
import { type EnqueuedJob, locationOf, only } from './enqueue.ts'
import { objectOf, whole } from './fields.ts'
import { type JobView, type ResultView, resultOf, toJobView } from './job-view.ts'
import { refusal } from './problem.ts'
import { checkQuery, id, ms, name, waitMs } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'

export interface LinkQuery {
  /** The signed text, from `createLink`. */
  readonly link?: string | undefined
}

export interface LinkWaitQuery extends LinkQuery {
  /** Seconds. */
  readonly wait?: string | undefined
}

export type LinkRoutes = {
  '/v1/links': {
    $get: Route<{ query: LinkQuery }, JobView, 200>
    $post: Route<{ query: LinkQuery; json?: unknown }, EnqueuedJob, 202>
  }
  '/v1/links/result': { $get: Route<{ query: LinkWaitQuery }, ResultView, 200 | 202> }
}

const linkText = v.optional(v.string('expected a link'), '')
export const linkQuery: v.GenericSchema<LinkQuery, { readonly link: string }> = objectOf({ link: linkText })
export const linkWaitQuery: v.GenericSchema<LinkWaitQuery, { readonly link: string; readonly wait: number }> = objectOf(
  { link: linkText, wait: v.optional(waitMs, '0') },
)

/** What this version does not know limits the link in a way that it could not keep to: such a link is none. */
const enqueueLink = v.strictObject({
  task: name,
  input: v.optional(v.unknown()),
  id: v.optional(id),
  queue: v.optional(name),
  maxBytes: v.optional(whole('expected bytes', 1)),
  expiresAtMs: ms,
})
const readLinkSchema = v.strictObject({ job: name, expiresAtMs: ms })

/** What a signed link is for, for whoever has it: no token is asked for. An API without secrets answers as if there were no such paths. */
export function linkRoutes({
  broker,
  client,
  clock,
  countCall,
  enqueue: { check, enqueue },
  linkSecrets,
  maxBodyBytes,
  once,
}: ApiContext): Routed<LinkRoutes> {
  /** Throws the same `RefusedRequest` whatever it is that is wrong with it. One that is good is a call that counts. */
  async function open<L extends Link>(c: Context, schema: v.GenericSchema<unknown, L>, text: string): Promise<L> {
    if (linkSecrets.length === 0)
      throw refusal('unknown-route', 'expected an API that was given secrets of links, got one without')
    const { success, output } = v.safeParse(schema, await readLink(linkSecrets, text))
    if (!success || clock.now() >= output.expiresAtMs)
      throw refusal('unsigned', 'expected a link that is signed for this and has not expired, got another')
    await countCall(c)
    return output
  }

  return createRouteGroup()
    .post('/v1/links', checkQuery(linkQuery), async (c) => {
      const { link: who } = c.req.valid('query')
      const link = await open(c, enqueueLink, who)
      await limitBody(Math.min(maxBodyBytes, link.maxBytes ?? maxBodyBytes))(c, async () => {})
      const body = await readJson(c)
      if ('input' in link && body !== undefined)
        throw refusal('invalid-request', 'expected no body, for the link says the input, got one')
      const { task, input = body, ...options } = link
      const request = { task, input, id: options.id, queue: options.queue }
      await check([request], () => '')
      // A link that says the id makes one job, under whatever key.
      const asked = { who, request: { of: 'link', ...request } }
      const job = only(
        link.id === undefined ? await once(c, asked, (keyed) => enqueue([request], keyed)) : await enqueue([request]),
      )
      return c.json(job, 202, { Location: locationOf(job.id) })
    })
    .get('/v1/links', checkQuery(linkQuery), async (c) => {
      const { job } = await open(c, readLinkSchema, c.req.valid('query').link)
      const [record] = await broker.get([job])
      if (!record) throw new JobNotFound(job)
      return c.json(toJobView(record), 200)
    })
    .get('/v1/links/result', checkQuery(linkWaitQuery), async (c) => {
      const { link, wait } = c.req.valid('query')
      const { job } = await open(c, readLinkSchema, link)
      const outcome = await resultOf(client.job(job), wait, c.req.raw.signal)
      return isFinished(outcome.state) ? c.json(outcome, 200) : c.json(outcome, 202, { 'Retry-After': '1' })
    })
}
