/**
 * Sends callbacks, as Standard Webhooks has it: https://github.com/standard-webhooks/standard-webhooks (1.0).
 *
 * What a callback says is read when it is sent: its job carries the URL alone.
 *
 * @module
 */
import { blobOf } from '../blobs.ts'
import type { Broker } from '../broker.ts'
import { CALLBACK_TASK, isCallbackUrl, type ToldEnd, toldBy } from '../callbacks.ts'
import type { Clock } from '../clock.ts'
import {
  AddressRefused,
  CallbackFailed,
  describe,
  InvalidOption,
  isTqError,
  NonRetryable,
  RetryAfter,
} from '../errors.ts'
import { type Bytes, fromBase64, hmac, sha256, toBase64, toBase64Url, toBytes } from '../hmac.ts'
import { fromJson, type JobRecord, utf8Bytes } from '../job.ts'
import { checkOutbound, isAllowed, type OutboundOptions, platformFetch } from '../outbound.ts'
import { type JobContext, KEEP_FAILED_MS, KEEP_RESULT_MS, type Task } from '../task.ts'
import { isFinished } from '../words.ts'

export interface SendCallbacksOptions extends OutboundOptions {
  /** `whsec_` and 24 to 64 bytes in base64. While one is replaced, several: each signs. Those that are `undefined` are left out. */
  readonly secret: string | undefined | readonly (string | undefined)[]
}

/** What `sendCallbacks` makes, for the `callbacks` of a worker or a drain. */
export type ToCallbackTask = (context: { readonly broker: Broker; readonly clock: Clock }) => Task

const TIMEOUT_MS = 15_000
/** The schedule that Standard Webhooks recommends: in 3 days and 4 hours ten attempts. */
const DELAYS_S = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] as const
const MAX_DELAY_MS = 86_400_000
/** Those that failed together do not come back together. */
const SPREAD = 0.1
const MAX_PAYLOAD_BYTES = 20_000

const backoff = (attempt: number, random: () => number) =>
  Math.round((DELAYS_S[attempt - 1] ?? 86_400) * 1_000 * (1 + SPREAD * random()))

/**
 * Has a worker send the callbacks of the jobs of its queues: POSTs that say how a job has ended, signed by Standard Webhooks.
 *
 * Private addresses are refused, redirects are not followed, and a receiver has 15 s. Throws `InvalidOption` without a secret.
 *
 * @example
 * ```ts
 * import { createWorker, defineApp, defineTask, sendCallbacks } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', onFailure: 'https://ops.example/hooks', run: () => {} })] })
 * const callbacks = sendCallbacks({ secret: 'whsec_c2l4dGVlbi1ieXRlcy1hcmUtdG9vLWZldw==' })
 * const worker = createWorker({ app, broker: sqliteBroker({ path: ':memory:' }), callbacks, burst: true })
 * console.log((await worker.run()).failed) // 0
 * ```
 */
export function sendCallbacks({
  secret,
  allowHosts = [],
  fetch = platformFetch,
}: SendCallbacksOptions): ToCallbackTask {
  const keys = keysOf(secret)

  return ({ broker, clock }) => {
    async function tell(input: unknown, job: JobContext): Promise<{ readonly status: number }> {
      const told = toldBy(job.id)
      if (!told || typeof input !== 'string' || !isCallbackUrl(input))
        throw new NonRetryable('expected a callback as a broker makes it, got another job of its task')
      check(input, allowHosts)
      const [record] = await broker.get([told.job])
      const body = payloadOf(told, record ?? null, job)
      const headers = await signed(keys, await deliveryIdOf(job.id), body, clock.now())
      return { status: await post(input, { headers, body, signal: job.signal }) }
    }

    async function post(url: string, init: RequestInit): Promise<number> {
      const { origin } = new URL(url)
      const request = new Request(url, { ...init, method: 'POST', redirect: 'manual' })
      const response = await fetch(request).catch((error) => {
        if (isTqError(error, 'AddressRefused')) throw error
        // What an error says may repeat the address.
        throw new CallbackFailed(origin, 'no answer')
      })
      await response.body?.cancel()
      if (response.ok) return response.status
      throw failureOf(response, origin, clock.now())
    }

    return {
      name: CALLBACK_TASK,
      schema: undefined,
      policy: {
        retry: { maxAttempts: DELAYS_S.length + 1, backoff },
        timeoutMs: TIMEOUT_MS,
        keepResultMs: KEEP_RESULT_MS,
        keepFailedMs: KEEP_FAILED_MS,
      },
      run: tell,
    }
  }
}

function keysOf(secret: SendCallbacksOptions['secret']): readonly Bytes[] {
  const secrets: readonly unknown[] = [secret].flat().filter((one) => one !== undefined)
  const keys = secrets.map((one) =>
    typeof one === 'string' && one.startsWith('whsec_') ? fromBase64(one.slice(6)) : null,
  )
  const wrong = keys.findIndex((key) => !key || key.length < 24 || key.length > 64)
  if (keys.length > 0 && wrong < 0) return keys as Bytes[]
  const got = keys.length === 0 ? 'none' : describe(secrets[wrong])
  throw new InvalidOption('the secret of callbacks', 'whsec_ and 24 to 64 bytes in base64', got)
}

function check(url: string, allowHosts: readonly string[]): void {
  checkOutbound(url, allowHosts)
  const { protocol, origin } = new URL(url)
  if (protocol !== 'https:' && !isAllowed(url, allowHosts)) throw new AddressRefused(origin, 'an address of https://')
}

/** The same for each attempt, and nothing that a header could not carry or a signature take for its own. */
async function deliveryIdOf(id: string): Promise<string> {
  return `msg_${toBase64Url((await sha256(toBytes(id))).slice(0, 18))}`
}

async function signed(
  keys: readonly Bytes[],
  id: string,
  body: string,
  nowMs: number,
): Promise<Record<string, string>> {
  const atS = Math.floor(nowMs / 1_000)
  const content = toBytes(`${id}.${atS}.${body}`)
  const signatures = await Promise.all(keys.map(async (key) => `v1,${toBase64(await hmac(key, content))}`))
  return {
    'Content-Type': 'application/json',
    'User-Agent': 'tq-edge',
    'webhook-id': id,
    'webhook-timestamp': String(atS),
    'webhook-signature': signatures.join(' '),
  }
}

/** Those that come again are wanted later, or never. */
function failureOf({ status, headers }: Response, origin: string, nowMs: number): Error {
  const isRedirect = status === 0 || (status >= 300 && status < 400)
  const failed = new CallbackFailed(origin, isRedirect ? 'a redirect' : `status ${status}`)
  if (status === 410) return new NonRetryable(failed.message, { cause: failed })
  const waitMs = retryAfterMs(headers.get('Retry-After'), nowMs)
  return waitMs !== null && status >= 429 ? new RetryAfter(waitMs, { cause: failed }) : failed
}

/** Seconds or a date; bounded, since it is a stranger's word. */
function retryAfterMs(text: string | null, nowMs: number): number | null {
  const ms = /^\d{1,10}$/.test(text ?? '') ? Number(text) * 1_000 : Date.parse(text ?? '') - nowMs
  return Number.isNaN(ms) ? null : Math.min(MAX_DELAY_MS, Math.max(1_000, ms))
}

/** What a receiver is sent, `data` of the payload. */
interface ToldJob
  extends Partial<Pick<JobRecord, 'task' | 'queue' | 'state' | 'attempts' | 'createdAtMs' | 'finishedAtMs'>> {
  readonly id: string
  readonly result?: unknown
  readonly error?: { readonly name: string; readonly message: string } | null
  /** Why there is no result. */
  readonly omitted?: string
}

function payloadOf(told: ToldEnd, record: JobRecord | null, { enqueuedAtMs }: JobContext): string {
  const isItsOwn = record !== null && record.epoch === told.epoch && isFinished(record.state)
  const data = isItsOwn ? toldJobOf(record) : { id: told.job, omitted: 'no longer kept' }
  const type = told.name === 'onSuccess' ? 'job.succeeded' : 'job.failed'
  const toText = (of: ToldJob) => JSON.stringify({ type, timestamp: new Date(enqueuedAtMs).toISOString(), data: of })
  const text = toText(data)
  if (utf8Bytes(text) <= MAX_PAYLOAD_BYTES) return text
  const { result: _, ...rest } = data as ToldJob
  return toText({ ...rest, omitted: 'too large' })
}

function toldJobOf(record: JobRecord): ToldJob {
  const { id, task, queue, state, attempts, createdAtMs, finishedAtMs, error } = record
  const facts = { id, task, queue, state, attempts, createdAtMs, finishedAtMs }
  if (state !== 'succeeded') return { ...facts, error: error && { name: error.name, message: error.message } }
  const text = record.result ?? ''
  return blobOf(text) ? { ...facts, omitted: 'too large' } : { ...facts, result: fromJson(text) ?? null }
}
