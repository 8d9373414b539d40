/**
 * Every error tq throws on purpose: small classes, facts as fields, one sentence of what was expected, what was found,
 * and what to do. No message holds a token or a payload.
 *
 * @module
 */

/** The base of every error that tq throws on purpose. */
export class TqError extends Error {
  override name = 'TqError'
  /** True where sending the same call again may succeed. */
  readonly retryable: boolean = false
}

/** True for an error of tq's, also one of another copy of the package. */
export function isTqError(error: unknown, name?: string): error is TqError {
  if (!(error instanceof Error)) return false
  return name === undefined ? 'retryable' in error : error.name === name
}

/** Something other than an error was thrown; it is kept as a short description. */
export class NonError extends TqError {
  override name = 'NonError' as const
  readonly found: string
  constructor(found: string) {
    super(`expected an Error to be thrown, got ${found}`)
    this.found = found
  }
}

/** An option, an argument or a setting is not what it has to be. */
export class InvalidOption extends TqError {
  override name = 'InvalidOption' as const
  readonly option: string
  readonly expected: string
  readonly got: string
  constructor(option: string, expected: string, got: string) {
    super(`expected ${option} to be ${expected}, got ${got}`)
    this.option = option
    this.expected = expected
    this.got = got
  }
}

export class DuplicateName extends TqError {
  override name = 'DuplicateName' as const
  readonly kind: 'task' | 'schedule'
  readonly duplicate: string
  constructor(kind: 'task' | 'schedule', duplicate: string) {
    super(`expected every ${kind} to have a name of its own, got "${duplicate}" twice: rename one of them`)
    this.kind = kind
    this.duplicate = duplicate
  }
}

export class UnknownTask extends TqError {
  override name = 'UnknownTask' as const
  readonly task: string
  readonly suggestion?: string | undefined
  constructor(task: string, suggestion?: string) {
    super(`expected a task of the app, got "${task}"${suggestion ? `: did you mean "${suggestion}"?` : ''}`)
    this.task = task
    this.suggestion = suggestion
  }
}

/** One thing wrong with an input: where it is and what was expected there. */
export interface InputIssue {
  readonly path: string
  readonly message: string
}

/** A job's input does not pass its task's schema. It names the places, never the values. */
export class InvalidInput extends TqError {
  override name = 'InvalidInput' as const
  readonly task: string
  readonly issues: readonly InputIssue[]
  constructor(task: string, issues: readonly InputIssue[]) {
    super(
      `expected an input that passes the schema of "${task}", got ${issues.length} ${issues.length === 1 ? 'issue' : 'issues'}: ${describeIssues(issues)}`,
    )
    this.task = task
    this.issues = issues
  }
}

function describeIssues(issues: readonly InputIssue[]): string {
  return issues
    .slice(0, 5)
    .map(({ path, message }) => (path ? `${path}: ${message}` : message))
    .join('; ')
}

/** A value that was to be stored is not JSON: a BigInt, a cycle, a function. */
export class NotSerializable extends TqError {
  override name = 'NotSerializable' as const
  readonly what: string
  readonly found: string
  constructor(what: string, found: string, options?: ErrorOptions) {
    super(`expected ${what} to be a value that JSON can carry, got ${found}`, options)
    this.what = what
    this.found = found
  }
}

export class TooLarge extends TqError {
  override name = 'TooLarge' as const
  readonly what: string
  readonly maxBytes: number
  readonly gotBytes: number
  constructor(what: string, maxBytes: number, gotBytes: number, advice = 'store it elsewhere and pass a reference') {
    super(`expected ${what} of at most ${maxBytes} bytes, got ${gotBytes}: ${advice}`)
    this.what = what
    this.maxBytes = maxBytes
    this.gotBytes = gotBytes
  }
}

/** The store for blobs did not answer. Making the same call again is safe. */
export class BlobsUnavailable extends TqError {
  override name = 'BlobsUnavailable' as const
  override readonly retryable = true
  readonly call: string
  readonly reason: string
  constructor(call: string, reason: string, options?: ErrorOptions) {
    super(`expected an answer of the blobs to a ${call}, got ${reason}`, options)
    this.call = call
    this.reason = reason
  }
}

/** What was kept under a key is there no more, or is not what was put there for this job. */
export class BlobGone extends TqError {
  override name = 'BlobGone' as const
  readonly key: string
  readonly found: string
  constructor(key: string, found: string) {
    super(
      `expected the blob "${key}" as it was put, got ${found}: keep blobs longer than jobs, and pass the same ones everywhere`,
    )
    this.key = key
    this.found = found
  }
}

/** The id is taken by a job with another task or input. */
export class JobConflict extends TqError {
  override name = 'JobConflict' as const
  readonly id: string
  constructor(id: string) {
    super(
      `expected job "${id}" to be the same task and input as the one stored under that id, got another: use a new id`,
    )
    this.id = id
  }
}

export class QueueFull extends TqError {
  override name = 'QueueFull' as const
  readonly queue: string
  constructor(queue: string) {
    super(`expected room in queue "${queue}", got as many jobs as a queue may hold: add workers, or enqueue later`)
    this.queue = queue
  }
}

/** No job is stored under that id: it never was, or its record has expired. */
export class JobNotFound extends TqError {
  override name = 'JobNotFound' as const
  readonly id: string
  constructor(id: string) {
    super(`expected a job with the id "${id}", got none: it was never enqueued, or its record has expired`)
    this.id = id
  }
}

/** No schedule is stored under that name. */
export class ScheduleNotFound extends TqError {
  override name = 'ScheduleNotFound' as const
  readonly schedule: string
  constructor(schedule: string) {
    super(`expected a schedule named "${schedule}", got none: \`tq schedules\` lists those there are`)
    this.schedule = schedule
  }
}

/** The name is taken by another schedule: names are unique in a broker. */
export class ScheduleExists extends TqError {
  override name = 'ScheduleExists' as const
  readonly schedule: string
  readonly app: string
  constructor(schedule: string, app: string) {
    super(
      `expected a name that no schedule has, got "${schedule}", which one of the app "${app}" has: take another name, or change that one`,
    )
    this.schedule = schedule
    this.app = app
  }
}

/** The app's file declares the schedule: its next deploy would bring it back. */
export class ScheduleDeclared extends TqError {
  override name = 'ScheduleDeclared' as const
  readonly schedule: string
  readonly app: string
  constructor(schedule: string, app: string) {
    super(
      `expected a schedule that was made at run time, got "${schedule}", which the file of the app "${app}" declares: take it out of the file and deploy, or pause it`,
    )
    this.schedule = schedule
    this.app = app
  }
}

/** The schedule is not as it was when whoever changes it read it. Nothing was changed. */
export class ScheduleMoved extends TqError {
  override name = 'ScheduleMoved' as const
  readonly schedule: string
  readonly expected: string
  readonly got: string
  constructor(schedule: string, expected: string, got: string) {
    super(`expected schedule "${schedule}" to be ${expected}, got ${got}: read it again, then change it`)
    this.schedule = schedule
    this.expected = expected
    this.got = got
  }
}

/** When the schedule is due cannot be told here: a rule of the app's own code, a newer version's, a zone that this runtime lacks. */
export class ScheduleUnreadable extends TqError {
  override name = 'ScheduleUnreadable' as const
  readonly schedule: string
  constructor(schedule: string) {
    super(
      `expected schedule "${schedule}" to have a rule that is known here, got one that is not: do it where the app's code is, with the newest tq-edge`,
    )
    this.schedule = schedule
  }
}

/** The job that a result was wanted of ended in another way than success. */
export class JobFailed extends TqError {
  override name = 'JobFailed' as const
  readonly id: string
  readonly task: string
  readonly state: string
  readonly attempts: number
  readonly error: { readonly name: string; readonly message: string } | null
  constructor(
    id: string,
    task: string,
    state: string,
    attempts: number,
    error: { readonly name: string; readonly message: string } | null,
  ) {
    super(
      `expected job "${id}" (${task}) to succeed, got ${state} after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}${error ? `: ${error.name}: ${error.message}` : ''}`,
    )
    this.id = id
    this.task = task
    this.state = state
    this.attempts = attempts
    this.error = error
  }
}

export class ResultTimeout extends TqError {
  override name = 'ResultTimeout' as const
  readonly id: string
  readonly timeoutMs: number
  readonly state: string
  constructor(id: string, timeoutMs: number, state: string) {
    super(`expected job "${id}" to finish within ${timeoutMs} ms, got ${state}: ask again, the job goes on`)
    this.id = id
    this.timeoutMs = timeoutMs
    this.state = state
  }
}

/** The handler ran longer than its task's `timeoutMs`. */
export class JobTimeout extends TqError {
  override name = 'JobTimeout' as const
  readonly task: string
  readonly timeoutMs: number
  constructor(task: string, timeoutMs: number) {
    super(`expected a job of "${task}" to end within ${timeoutMs} ms, got no end: raise timeoutMs or split the work`)
    this.task = task
    this.timeoutMs = timeoutMs
  }
}

/** A drain came to its end in the middle of a job that had had nearly all of its time. */
export class DrainTooShort extends TqError {
  override name = 'DrainTooShort' as const
  readonly task: string
  readonly budgetMs: number
  constructor(task: string, budgetMs: number) {
    super(
      `expected a job of "${task}" to end within a drain of ${budgetMs} ms, got no end: run it with \`tq work\`, raise budgetMs where the platform lets you, or split the work`,
    )
    this.task = task
    this.budgetMs = budgetMs
  }
}

/** Why a job's signal aborted although its handler did nothing wrong. */
export class JobAborted extends TqError {
  override name = 'JobAborted' as const
  readonly reason: 'cancelled' | 'lease lost' | 'shutdown'
  constructor(reason: 'cancelled' | 'lease lost' | 'shutdown') {
    super(`expected to run to the end, got aborted: ${reason}`)
    this.reason = reason
  }
}

/** A job was written by a newer version of tq than this one can read. */
export class NewerEnvelope extends TqError {
  override name = 'NewerEnvelope' as const
  readonly supported: number
  readonly found: number
  constructor(supported: number, found: number) {
    super(
      `expected a job envelope of version ${supported} or older, got version ${found}: update tq-edge on this worker`,
    )
    this.supported = supported
    this.found = found
  }
}

/** A lane sent an exchange that is older than its last one; nothing of it was applied. */
export class StaleExchange extends TqError {
  override name = 'StaleExchange' as const
  readonly lane: string
  readonly expectedSeq: number
  readonly gotSeq: number
  constructor(lane: string, expectedSeq: number, gotSeq: number) {
    super(
      `expected an exchange of lane "${lane}" with seq ${expectedSeq} or later, got ${gotSeq}: a lane sends one exchange at a time`,
    )
    this.lane = lane
    this.expectedSeq = expectedSeq
    this.gotSeq = gotSeq
  }
}

/** The broker could not be reached or did not answer. Sending the same call again is safe. */
export class BrokerUnavailable extends TqError {
  override name = 'BrokerUnavailable' as const
  override readonly retryable = true
  readonly broker: string
  readonly reason: string
  constructor(broker: string, reason: string, options?: ErrorOptions) {
    super(`expected an answer of the ${broker} broker, got ${reason}`, options)
    this.broker = broker
    this.reason = reason
  }
}

/** The broker answered and refused: a token, a right, a quota. Sending the same call again is of no use. */
export class BrokerRefused extends TqError {
  override name = 'BrokerRefused' as const
  readonly broker: string
  readonly said: string
  readonly advice: string
  constructor(broker: string, said: string, advice: string) {
    super(`expected the ${broker} broker to take a call, got "${said}": ${advice}`)
    this.broker = broker
    this.said = said
    this.advice = advice
  }
}

/** The broker's store is full. What it had accepted before is still there. */
export class StorageFull extends TqError {
  override name = 'StorageFull' as const
  readonly where: string
  constructor(where: string, options?: ErrorOptions) {
    super(
      `expected room to write to ${where}, got a full disk: nothing of this call was stored; free space and send it again`,
      options,
    )
    this.where = where
  }
}

/** Data that tq has to read is not in a form it can use. */
export class UnusableStore extends TqError {
  override name = 'UnusableStore' as const
  readonly where: string
  readonly expected: string
  readonly got: string
  readonly advice: string
  constructor(where: string, expected: string, got: string, advice: string, options?: ErrorOptions) {
    super(`expected ${where} to be ${expected}, got ${got}: ${advice}`, options)
    this.where = where
    this.expected = expected
    this.got = got
    this.advice = advice
  }
}

/** The broker keeps no transitions of jobs: it was not told to. */
export class EventsOff extends TqError {
  override name = 'EventsOff' as const
  constructor() {
    super(
      'expected a broker that keeps events, got one that does not: give it `events: true` (TQ_EVENTS=1), in every process that uses it',
    )
  }
}

/** This runtime, or what it was given, lacks something that the call needs. */
export class Unsupported extends TqError {
  override name = 'Unsupported' as const
  readonly what: string
  readonly found: string
  readonly advice: string
  constructor(what: string, found: string, advice: string) {
    super(`expected ${what}, got ${found}: ${advice}`)
    this.what = what
    this.found = found
    this.advice = advice
  }
}

/** An address that somebody has given is none of the public internet; nothing was sent there. */
export class AddressRefused extends TqError {
  override name = 'AddressRefused' as const
  /** Without path and query, which may hold a secret. */
  readonly origin: string
  constructor(origin: string, expected = 'an address on the public internet') {
    super(`expected ${expected}, got ${origin}: if it may be called, name its host in allowHosts or TQ_ALLOW_HOSTS`)
    this.origin = origin
  }
}

/** A callback was not taken by its receiver; of its address the server alone is told. */
export class CallbackFailed extends TqError {
  override name = 'CallbackFailed' as const
  override readonly retryable: boolean = true
  readonly origin: string
  readonly got: string
  constructor(origin: string, got: string, options?: ErrorOptions) {
    super(`expected status 2xx from ${origin}, got ${got}`, options)
    this.origin = origin
    this.got = got
  }
}

/**
 * Thrown by a handler to say that trying again is of no use; the job fails for good.
 *
 * @example
 * ```ts
 * import { NonRetryable } from 'tq-edge'
 *
 * const error = new NonRetryable('the address does not exist')
 * console.log(error.name, error.message) // NonRetryable the address does not exist
 * ```
 */
export class NonRetryable extends TqError {
  override name = 'NonRetryable' as const
}

/**
 * Thrown by a handler to say when to try again; it replaces the backoff's delay and counts as an attempt.
 *
 * @example
 * ```ts
 * import { RetryAfter } from 'tq-edge'
 *
 * const error = new RetryAfter(30_000)
 * console.log(error.delayMs) // 30000
 * ```
 */
export class RetryAfter extends TqError {
  override name = 'RetryAfter' as const
  /** Milliseconds until the next attempt. */
  readonly delayMs: number
  constructor(delayMs: number, options?: ErrorOptions) {
    super(`try again in ${delayMs} ms`, options)
    this.delayMs = delayMs
    if (!(delayMs >= 0 && Number.isFinite(delayMs)))
      throw new InvalidOption('delayMs', 'a number of milliseconds, 0 or more', String(delayMs))
  }
}

/** Whatever was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new NonError(describe(thrown))
}

/** A short description of a value for a message: its type, never its content. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'string') return `a string of ${value.length} characters`
  if (typeof value === 'object') return `an object of ${value.constructor?.name ?? 'no class'}`
  return value === undefined ? 'undefined' : `a ${typeof value}`
}
