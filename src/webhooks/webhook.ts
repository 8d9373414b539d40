import type { App } from '../app.ts'
import type { Client, JobHandle } from '../client/client.ts'
import type { Clock } from '../clock.ts'
import { describe, InvalidOption, toError } from '../errors.ts'
import { type Bytes, sha256, toBytes, toHex } from '../hmac.ts'
import { readBytes } from '../http/body.ts'
import { refusal, toRefusal } from '../http/problem.ts'
import { JOBS_HEADER, type Webhook } from '../http/webhooks.ts'
import { checkTaskName } from '../task.ts'
import { readerOf } from './body.ts'
import { createDeliveryClient } from './once.ts'
import type { Sender, WebhookEvent } from './sender.ts'

/**
 * Enqueues what a delivery asks for. Its jobs have their ids from the delivery: one that comes again creates nothing.
 *
 * The delivery is answered once all of them are stored, and with an error where one is not, also if the handler has not waited
 * for it. What takes time belongs into a task.
 */
export type WebhookHandler<Body, A extends App = App> = (event: WebhookEvent<Body>, tq: Client<A>) => unknown

export interface WebhookOptions {
  /** How long the handler may take before the sender is told to send again. Default 2,500: less than any of them waits. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 2_500
/** Short enough for the ids of its jobs, and nothing that a router reads. */
const PATH = /^(?!\/v1(?:\/|$))(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/
const MAX_PATH_CHARS = 50
const DELIVERY_ID = /^[\w.-]{1,64}$/

/**
 * Turns one sender's webhooks into jobs: of the task of that name, with the body as input, or whatever a function enqueues.
 *
 * Throws `InvalidOption` for a path or a name that cannot be.
 *
 * @example
 * ```ts
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createApi } from 'tq-edge/http'
 * import { github, webhook } from 'tq-edge/webhooks'
 *
 * // By name: webhook('/hooks/github', sender, 'push.received')
 * const pushes = webhook('/hooks/github', github({ secret: "It's a Secret to Everybody" }), (event, tq) =>
 *   event.kind === 'push' ? tq.enqueue('push.received', event.body) : undefined,
 * )
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const api = createApi({ broker, tokens: ['a-long-random-token'], webhooks: [pushes] })
 * const response = await api.request('/hooks/github', { method: 'POST', body: '{}' })
 * console.log(response.status) // 401
 * await broker.close()
 * ```
 */
export function webhook<Body, A extends App = App>(
  path: string,
  sender: Sender<Body>,
  handler: string | WebhookHandler<Body, A>,
  { timeoutMs = TIMEOUT_MS }: WebhookOptions = {},
): Webhook {
  checkPath(path)
  if (!(timeoutMs > 0)) throw new InvalidOption('timeoutMs', 'milliseconds above 0', String(timeoutMs))
  const task = typeof handler === 'string' ? handler : undefined
  if (task !== undefined) checkTaskName(task)

  async function read(request: Request, nowMs: number): Promise<WebhookEvent<Body>> {
    const { url, headers } = request
    const readBody = readerOf(headers.get('Content-Type'))
    const bytes: Bytes = new Uint8Array(await readBytes(request))
    const content = await sender.verify({ url, headers, body: bytes }, nowMs)
    if (!content) throw unverified(sender.name)
    const body = sender.toBody(readBody(bytes))
    const { id, kind } = sender.about(body, headers)
    return { id: textOf(id) || toHex(await sha256(content)), kind: textOf(kind), headers, body }
  }

  /** By name the input is the sender's, and so is the mistake in it; in a function it is the function's own affair. */
  async function handle(event: WebhookEvent<Body>, tq: Client): Promise<void> {
    if (typeof handler === 'string') await tq.enqueue(handler, event.body)
    else await handler(event, tq as Client<A>)
  }

  return {
    path,
    task,
    async receive(request, { client, clock, onEvent }) {
      const event = await read(request, clock.now())
      const replied = sender.reply(event)
      if (replied) return replied
      const { tq, enqueued } = createDeliveryClient(client, await deliveryId(path, event.id), onEvent)
      const handled = handle(event, tq).then(enqueued)
      const jobs = await inTime(handled, clock, timeoutMs).catch((error) => {
        throw task === undefined ? withoutDetails(error) : error
      })
      return taken(event, jobs, sender)
    },
  }
}

function checkPath(path: string): void {
  const expected = `a path such as /hooks/github, of at most ${MAX_PATH_CHARS} characters and not under /v1`
  if (typeof path !== 'string') throw new InvalidOption('the path of a webhook', expected, describe(path))
  if (!PATH.test(path) || path.length > MAX_PATH_CHARS)
    throw new InvalidOption('the path of a webhook', expected, `"${path.slice(0, 100)}"`)
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : '')

async function deliveryId(path: string, id: string): Promise<string> {
  const short = DELIVERY_ID.test(id) ? id : toHex(await sha256(toBytes(id)))
  return `${path.slice(1).replaceAll('/', ':')}:${short}`
}

/** One answer for whatever part has failed: the secret, the body, the time. */
function unverified(sender: string) {
  return refusal(
    'unverified',
    `expected a delivery that ${sender} has signed with a known secret, and lately; got another`,
    {
      headers: { 'WWW-Authenticate': 'Signature' },
    },
  )
}

/** What comes too late goes on: once the delivery comes again its jobs are there. */
function inTime<T>(work: Promise<T>, clock: Clock, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = `expected the jobs of a delivery to be stored within ${timeoutMs} ms, got no end: send it again`
    const cancel = clock.after(timeoutMs, () =>
      reject(refusal('webhook-late', late, { headers: { 'Retry-After': '5' } })),
    )
    work.then(resolve, reject).finally(cancel)
  })
}

/** What another try may mend, the sender is told; of the handler's mistakes nothing but that there was one. */
function withoutDetails(thrown: unknown): Error {
  const refused = toRefusal(thrown)
  const error = toError(thrown)
  return refused.problem.status === 503
    ? refused
    : toRefusal(new Error(`${error.name}: ${error.message}`, { cause: thrown }))
}

function taken<Body>(event: WebhookEvent<Body>, jobs: readonly JobHandle[], sender: Sender<Body>): Response {
  const response = sender.taken?.() ?? toAnswer(event.id, jobs)
  if (jobs.length > 0) response.headers.set(JOBS_HEADER, String(jobs.length))
  return response
}

function toAnswer(id: string, jobs: readonly JobHandle[]): Response {
  const told = jobs.map((job) => ({ id: job.id, ...(job.created ? {} : { deduplicated: true }) }))
  return Response.json({ id, jobs: told }, { status: jobs.length > 0 ? 202 : 200 })
}
