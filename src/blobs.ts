/**
 * Inputs and results that are too large for the broker: they are kept in a store of the app's, and the job carries a reference.
 *
 * A reference is the text `blob:<key> <bytes>` in the place of JSON. No JSON begins so: who enqueues values cannot forge one.
 * Its key is `input/` or `result/` and the SHA-256 of the job's id and the text. So an enqueue that is sent again puts the same
 * key, another input under the same id is another key (a conflict, and the first one stays as it was), and what is read back is
 * known to be what was put, for this very job.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { BlobGone, BlobsUnavailable, isTqError, TooLarge, toError, Unsupported } from './errors.ts'
import { BLOB_ENVELOPE_VERSION, utf8Bytes } from './job.ts'
import { resend } from './resend.ts'

/**
 * A store for texts that are too large for the broker, such as a bucket. Whatever it throws is taken for an outage: the call
 * is made again, for up to 20 s. One call may take 30 s.
 *
 * @example
 * ```ts
 * import { type Blobs, createClient, createWorker, defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 *
 * const texts = new Map<string, string>()
 * const blobs: Blobs = { put: (key, text) => texts.set(key, text), get: (key) => texts.get(key) }
 *
 * const app = defineApp({ blobs, tasks: [defineTask({ name: 'measure', run: (input) => (input as string).length })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * const job = await createClient<typeof app>({ broker, blobs }).enqueue('measure', 'x'.repeat(2_000_000))
 * console.log(texts.size) // 1
 *
 * await createWorker({ app, broker, burst: true }).run()
 * console.log(await job.result()) // 2000000
 * ```
 */
export interface Blobs {
  /** Keeps a text under a key of 70 or 71 letters, digits and one `/`. The same text may be put again. Awaited. */
  put(key: string, text: string): unknown
  /** The text of a key; null or undefined when there is none. */
  get(key: string): string | null | undefined | Promise<string | null | undefined>
}

/** What stands in a job for a text that is kept elsewhere. */
export interface BlobReference {
  /** The key that it is kept under. */
  readonly blob: string
  /** Of the text, in UTF-8. */
  readonly bytes: number
}

const REFERENCE = /^blob:((?:input|result)\/[0-9a-f]{64}) (\d{1,15})$/

/**
 * The reference that a job's input or result is, null where it is the JSON itself.
 *
 * @example
 * ```ts
 * import { blobOf } from 'tq-edge'
 *
 * console.log(blobOf('{"name":"Ada"}'), blobOf(`blob:input/${'0'.repeat(64)} 2000000`)?.bytes) // null 2000000
 * ```
 */
export function blobOf(text: string | null): BlobReference | null {
  const [, blob, bytes] = REFERENCE.exec(text?.slice(0, 100) ?? '') ?? []
  return blob === undefined ? null : { blob, bytes: Number(bytes) }
}

/** Whether a job's input is a reference. What an older producer has written is taken for JSON, whatever it looks like. */
export function hasBlob({ v, input }: { readonly v: number; readonly input: string }): boolean {
  return v >= BLOB_ENVELOPE_VERSION && blobOf(input) !== null
}

/** An app's blobs with what tq does about them: keys, resends, and a check of what comes back. */
export interface BlobStore {
  /** Keeps a text, and answers the reference to it. Throws `BlobsUnavailable`. */
  put(kind: 'input' | 'result', id: string, text: string): Promise<string>
  /** Throws `BlobGone`, also where another text than was put is there, and `BlobsUnavailable`. */
  get(id: string, reference: BlobReference, signal?: AbortSignal): Promise<string>
}

interface BlobStoreOptions {
  readonly clock: Clock
  readonly random: () => number
}

const CALL_TIMEOUT_MS = 30_000
const RESEND_DEADLINE_MS = 20_000

export function createBlobStore(blobs: Blobs | undefined, options: BlobStoreOptions): BlobStore | undefined {
  if (!blobs) return undefined
  const { clock } = options

  /** One call, and whatever goes wrong with it as an error that says whether to call again. */
  const once = <T>(call: string, ask: () => T | Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      const late = () => reject(new BlobsUnavailable(call, 'none in time'))
      const cancel = clock.after(CALL_TIMEOUT_MS, late)
      const answer = (async () => ask())()
      answer.finally(cancel).then(resolve, (thrown) => reject(toBlobError(call, toError(thrown))))
    })

  const ask = <T>(call: 'put' | 'get', send: () => T | Promise<T>, signal?: AbortSignal) =>
    resend(() => once(call, send), { ...options, call: `blobs.${call}`, deadlineMs: RESEND_DEADLINE_MS, signal })

  return {
    async put(kind, id, text) {
      const key = `${kind}/${await digest(id, text)}`
      await ask('put', () => blobs.put(key, text))
      return `blob:${key} ${utf8Bytes(text)}`
    },
    async get(id, { blob }, signal) {
      const text = await ask('get', () => blobs.get(blob), signal)
      if (typeof text !== 'string') throw new BlobGone(blob, 'nothing')
      if (!blob.endsWith(await digest(id, text))) throw new BlobGone(blob, 'another text')
      return text
    },
  }
}

async function digest(id: string, text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${id}\n${text}`))
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A store's own words may hold an address or a token: they are kept as the cause alone. */
function toBlobError(call: string, error: Error): Error {
  return isTqError(error) ? error : new BlobsUnavailable(call, `an error (${error.name})`, { cause: error })
}

export interface LargeText {
  readonly kind: 'input' | 'result'
  /** Of the job that it belongs to. */
  readonly id: string
  readonly task: string
  readonly text: string
  readonly maxBytes: number
}

/** The text as the job carries it: itself, or a reference once it is stored. Throws `TooLarge` where it can be neither. */
export function toCarried(store: BlobStore | undefined, large: LargeText): string | Promise<string> {
  const { kind, id, task, text, maxBytes } = large
  // A unit of the text is three bytes at most.
  const bytes = text.length * 3 > maxBytes ? utf8Bytes(text) : 0
  if (bytes <= maxBytes) return text
  if (!store)
    throw new TooLarge(
      `the ${kind} of "${task}"`,
      maxBytes,
      bytes,
      'store it elsewhere and pass a reference, or have blobs do that',
    )
  return store.put(kind, id, text)
}

/** The text that a job's input or result stands for. Throws `Unsupported` for a reference where there is no store. */
export function fromCarried(
  store: BlobStore | undefined,
  id: string,
  text: string,
  signal?: AbortSignal,
): string | Promise<string> {
  const reference = blobOf(text)
  if (!reference) return text
  if (store) return store.get(id, reference, signal)
  throw new Unsupported(`blobs to read what job "${id}" refers to`, 'none', 'pass those that the worker has')
}
