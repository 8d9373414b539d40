/**
 * A job as it travels and as it is read back.
 *
 * The envelope is versioned. New fields are optional with a default, so that old and new versions of tq share a broker;
 * `ENVELOPE_VERSION` rises only for a change that an older worker would get wrong, and such a worker puts the job back.
 *
 * @module
 */
import type { Callbacks } from './callbacks.ts'
import { NotSerializable, toError } from './errors.ts'
import type { JobState } from './words.ts'

/** The newest envelope that this version of tq reads. It writes the oldest one that says what a job needs. */
export const ENVELOPE_VERSION = 2

/** From this one on an input may be a reference to a blob. */
export const BLOB_ENVELOPE_VERSION = 2

/** The tick that a job was enqueued for. */
export interface JobTick {
  readonly schedule: string
  /** The due time, milliseconds since the epoch. */
  readonly dueAtMs: number
  /** How late it was enqueued. */
  readonly lateMs: number
  /** True when it was missed: a later one was due by then as well; or when it stands for earlier ones that were. */
  readonly catchUp: boolean
}

/** The id of the job of a tick: the same whoever fires it. */
export function tickJobId(schedule: string, incarnation: string, dueAtMs: number): string {
  return `${schedule}:${incarnation}:${dueAtMs}`
}

/** What tells the requests apart that jobs are of; a broker looks for it in JSON. */
export const FINGERPRINT = /^[\w.-]{1,100}$/
export const FINGERPRINT_FORM = '1 to 100 letters, digits, "_", "." and "-"'

/** A job as a producer hands it to the broker. */
export interface Job extends Callbacks {
  /** The envelope's version; absent means 1. */
  readonly v?: number
  readonly id: string
  readonly task: string
  readonly queue: string
  /** The input as JSON text, or a reference to it (`blobOf`); empty when there is none. */
  readonly input: string
  /** Higher is claimed first; 0 is normal. */
  readonly priority: number
  /** When the producer made it, by the producer's clock. */
  readonly createdAtMs: number
  /** Milliseconds until it is due, counted from the moment the broker takes it. */
  readonly delayMs?: number | undefined
  /** The moment it is due, by the broker's clock; not together with `delayMs`. */
  readonly dueAtMs?: number | undefined
  readonly tick?: JobTick | undefined
  /** Names to find it by, at most `MAX_TAGS`. */
  readonly tags?: readonly string[] | undefined
  /** Of the request that it is of, where its id says nothing of what was asked for: another request's job under that id is a conflict. */
  readonly fingerprint?: string | undefined
}

/** What is kept of an error that ended an attempt. */
export interface JobError {
  readonly name: string
  readonly message: string
  readonly stack?: string
}

/** A job as the broker tells of it. */
export interface JobRecord {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly state: JobState
  readonly priority: number
  /** JSON text, or a reference to it (`blobOf`); empty when there is none, null when it is no longer kept. */
  readonly input: string | null
  readonly createdAtMs: number
  /** When it is due (scheduled, retrying), its lease ends (active) or its record expires (finished). */
  readonly atMs: number | null
  readonly finishedAtMs: number | null
  /** Attempts that have ended. */
  readonly attempts: number
  /** Leases that ended without a word of the worker. */
  readonly lost: number
  readonly epoch: number
  /** JSON text, or a reference to it (`blobOf`); empty when the handler returned nothing, null while there is none. */
  readonly result: string | null
  /** The last error, also of an attempt that is tried again. */
  readonly error: JobError | null
  /** JSON text of the last progress the handler told; null when it told none. */
  readonly progress: string | null
  readonly tick: JobTick | null
  readonly tags: readonly string[]
}

/**
 * A value as JSON text; `undefined` is the empty text.
 *
 * Throws `NotSerializable` for what JSON cannot carry: a BigInt, a cycle, a function, a symbol.
 */
export function toJson(what: string, value: unknown): string {
  if (value === undefined) return ''
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new NotSerializable(what, reasonOf(toError(error)), { cause: error })
  }
  if (text === undefined) throw new NotSerializable(what, `a ${typeof value}`)
  return text
}

/** The value of a JSON text that `toJson` has made. */
export function fromJson(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text)
}

/** Runtimes word it differently, and some quote the value's keys. */
function reasonOf(error: Error): string {
  if (/bigint/i.test(error.message)) return 'a BigInt'
  if (/circular|cyclic/i.test(error.message)) return 'a cycle'
  if (error instanceof RangeError) return 'too much nesting'
  return `an error of its toJSON: ${error.name}`
}

const MAX_MESSAGE_CHARS = 2_000
const MAX_STACK_CHARS = 8_000
/** Of an error as JSON. Texts that take more bytes than characters are cut shorter. */
export const MAX_ERROR_BYTES = 11_000
/** The most that one character takes in JSON: `\u0007`. */
const MAX_CHAR_BYTES = 6

/** What is stored of an error: bounded, so that no error outgrows its job, and texts, whatever was set on it. */
export function toJobError(error: Error): JobError {
  const { name, message, stack } = error
  const cut = (share: number): JobError => ({
    name: String(name).slice(0, 200 / share),
    message: String(message).slice(0, MAX_MESSAGE_CHARS / share),
    ...(stack ? { stack: String(stack).slice(0, MAX_STACK_CHARS / share) } : {}),
  })
  const whole = cut(1)
  return utf8Bytes(JSON.stringify(whole)) <= MAX_ERROR_BYTES ? whole : cut(MAX_CHAR_BYTES)
}

/** UTF-8 bytes of a text, without making them. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    // A surrogate pair is two units and four bytes: each half adds one.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}
