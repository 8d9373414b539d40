import { v7 } from 'uuid'
import { type App, type TasksOf, unknownTask } from '../app.ts'
import { type BlobStore, type Blobs, createBlobStore, fromCarried, toCarried } from '../blobs.ts'
import type { Broker, CancelOutcome, EnqueueOutcome } from '../broker.ts'
import { type Callbacks, toCallbackUrl } from '../callbacks.ts'
import { type Clock, systemClock } from '../clock.ts'
import { describe, InvalidOption, JobConflict, JobFailed, JobNotFound, QueueFull, ResultTimeout } from '../errors.ts'
import { type OnEvent, withoutThrowing } from '../events.ts'
import {
  BLOB_ENVELOPE_VERSION,
  FINGERPRINT,
  FINGERPRINT_FORM,
  fromJson,
  type Job,
  type JobRecord,
  toJson,
} from '../job.ts'
import { resend } from '../resend.ts'
import { checkTaskName, type Task, validateInput } from '../task.ts'
import { checkWhole } from '../whole.ts'
import { DEFAULT_QUEUE, MAX_TAGS, NAME, NAME_FORM, TAG, TAG_FORM } from '../words.ts'
import { createBatch, type PutOff, sendAll } from './batch.ts'
import { createResults } from './results.ts'

export interface ClientOptions {
  readonly broker: Broker
  /** The app's tasks, where the producer has them: names and inputs are then checked before anything is sent. */
  readonly tasks?: ReadonlyMap<string, Task>
  /** The largest input, as JSON text, that goes to the broker. Default 1 MiB. */
  readonly maxInputBytes?: number
  /** Where larger inputs go, and larger results come from. Without, such an input is refused with `TooLarge`. */
  readonly blobs?: Blobs | undefined
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: () => string
  readonly onEvent?: OnEvent | undefined
  /** When jobs that are enqueued one by one are sent, together. Default `queueMicrotask`: once the running code waits for anything. */
  readonly putOff?: PutOff
}

/** With the URLs that are told how the job has ended; each instead of its task's own. */
export interface EnqueueOptions extends Callbacks {
  /** The job's id; enqueueing the same job under the same id again creates nothing. Default a UUIDv7. */
  readonly id?: string | undefined
  /** Default `default`. */
  readonly queue?: string | undefined
  /** A whole number; higher is claimed first. Default 0. */
  readonly priority?: number | undefined
  /** Milliseconds until it is due. */
  readonly delayMs?: number | undefined
  /** The moment it is due, milliseconds since the epoch; not together with `delayMs`. */
  readonly dueAtMs?: number | undefined
  /** Names to find it by among others: at most 8, each of 1 to 50 characters without commas. */
  readonly tags?: readonly string[] | undefined
  /**
   * Of what you were asked for, where the id does not say it: under that id a job with another one is a conflict, and with the same one
   * none, whatever its input and options. Jobs of one `enqueueMany` that share it are stored together or not at all.
   */
  readonly fingerprint?: string | undefined
  /**
   * Your own open transaction on the broker's database (SQLite): the job is there if it commits. `enqueue` has then
   * written by the time it returns its promise.
   */
  readonly within?: unknown
}

export interface EnqueueRequest {
  readonly task: string
  readonly input?: unknown
  readonly options?: Omit<EnqueueOptions, 'within'>
}

/** A job that has been enqueued, or is only known by its id. */
export interface JobHandle<Result = unknown> {
  readonly id: string
  /** False when a job of that id was there already. */
  readonly created: boolean
  /**
   * The handler's return value, once the job has succeeded.
   *
   * Throws `JobFailed` when it ended otherwise, `ResultTimeout` after `timeoutMs` (default 30,000), `JobNotFound` for an
   * unknown id or a record that has expired; for a blob `BlobGone`, `BlobsUnavailable`, and `Unsupported` without `blobs`.
   */
  result(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<Result>
  /** The job as it is now; null when it is not known. */
  get(): Promise<JobRecord | null>
  cancel(): Promise<CancelOutcome>
}

type InputArguments<Input> = undefined extends Input
  ? [input?: Input, options?: EnqueueOptions]
  : [input: Input, options?: EnqueueOptions]

type TypedRequest<Tasks> = { [N in keyof Tasks & string]: TaskRequest<N, Tasks[N]> }[keyof Tasks & string]
type TaskRequest<N, T> = T extends { input: infer Input }
  ? { readonly task: N; readonly options?: Omit<EnqueueOptions, 'within'> } & (undefined extends Input
      ? { readonly input?: Input }
      : { readonly input: Input })
  : never

export interface Client<A extends App = App> {
  /**
   * Enqueues one job. Calls made in the same turn travel as one batch.
   *
   * Throws `UnknownTask` and `InvalidInput` (where the client has the tasks), `TooLarge`, `NotSerializable`, `JobConflict`,
   * `QueueFull`, `BlobsUnavailable`, and what the broker throws when it cannot be reached.
   */
  enqueue<N extends keyof TasksOf<A> & string>(
    task: N,
    ...input: InputArguments<TasksOf<A>[N]['input']>
  ): Promise<JobHandle<TasksOf<A>[N]['result']>>
  /** Enqueues many jobs, in as few calls as the broker allows. Throws the error of the first job that was refused. */
  enqueueMany(requests: readonly TypedRequest<TasksOf<A>>[]): Promise<readonly JobHandle[]>
  /** A handle on a job that was enqueued elsewhere. */
  job<Result = unknown>(id: string): JobHandle<Result>
}

const MEBIBYTE = 1_048_576
const RESEND_DEADLINE_MS = 20_000
const DEFAULT_RESULT_TIMEOUT_MS = 30_000

/**
 * Creates a producer's client, typed by the app's type alone: `import type app from './tasks.ts'` bundles no handler.
 *
 * @example
 * ```ts
 * import { createClient, createWorker, defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'add', run: (input) => (input as number[])[0]! + 1 })] })
 * const broker = sqliteBroker({ path: ':memory:' })
 * const worker = createWorker({ app, broker })
 * const running = worker.run()
 *
 * const tq = createClient<typeof app>({ broker })
 * const job = await tq.enqueue('add', [41])
 * console.log(await job.result({ timeoutMs: 5_000 })) // 42
 *
 * worker.stop()
 * await running
 * ```
 */
export function createClient<A extends App = App>(options: ClientOptions): Client<A> {
  const { broker, tasks, maxInputBytes = MEBIBYTE, clock = systemClock, random = Math.random, newId = v7 } = options
  const onEvent = withoutThrowing(options.onEvent)
  const resending = { clock, random, deadlineMs: RESEND_DEADLINE_MS, onEvent }
  const blobs = createBlobStore(options.blobs, { clock, random })
  const results = createResults(broker, () => `result.${newId()}`, resending)
  const send = (jobs: readonly Job[]) => resend(() => broker.enqueue(jobs), { call: 'enqueue', ...resending })
  const sendWithOthers = createBatch(send, options.putOff)

  function checkInput(name: string, input: unknown): unknown {
    if (!tasks) return
    const task = tasks.get(name)
    if (!task) throw unknownTask(name, tasks.keys())
    return validateInput(task, input)
  }

  function toJob(task: string, input: unknown, given: Omit<EnqueueOptions, 'within'>): Job {
    checkOptions(task, given)
    const { id = newId(), queue = DEFAULT_QUEUE, priority = 0, delayMs, dueAtMs, tags = [], fingerprint } = given
    const text = toJson(`the input of "${task}"`, input)
    const onSuccess = toCallbackUrl('onSuccess', given.onSuccess)
    const onFailure = toCallbackUrl('onFailure', given.onFailure)
    const job = {
      id,
      task,
      queue,
      input: text,
      priority,
      createdAtMs: clock.now(),
      delayMs,
      dueAtMs,
      onSuccess,
      onFailure,
    }
    // Most have neither: nothing is copied.
    if (tags.length === 0 && fingerprint === undefined) return job
    return {
      ...job,
      ...(tags.length > 0 && { tags: [...new Set(tags)] }),
      ...(fingerprint !== undefined && { fingerprint }),
    }
  }

  const carry = (store: BlobStore | undefined, { id, task, input: text }: Job) =>
    toCarried(store, { kind: 'input', id, task, text, maxBytes: maxInputBytes })

  /** The job as it is sent. One whose input is too large for that is a promise: the input is stored before the job is. */
  function toSent(job: Job): Job | Promise<Job> {
    const input = carry(blobs, job)
    if (typeof input === 'string') return job
    return input.then((reference) => ({ ...job, v: BLOB_ENVELOPE_VERSION, input: reference }))
  }

  function toHandle(id: string, created: boolean): JobHandle<never> {
    return {
      id,
      created,
      result: ({ timeoutMs = DEFAULT_RESULT_TIMEOUT_MS, signal } = {}) =>
        results
          .wait(id, timeoutMs, signal)
          .then(async (record) => fromJson(await fromCarried(blobs, id, resultOf(id, record, timeoutMs))) as never),
      get: () => broker.get([id]).then(([record]) => record ?? null),
      cancel: () => broker.cancel([id]).then(([outcome]) => outcome ?? 'unknown'),
    }
  }

  async function enqueue(
    task: string,
    input?: unknown,
    { within, ...given }: EnqueueOptions = {},
  ): Promise<JobHandle<never>> {
    const checked = checkInput(task, input)
    if (checked instanceof Promise) {
      // Within the caller's transaction the write has to happen before this function first awaits.
      if (within !== undefined) throw asynchronousSchema(task, checked)
      await checked
    }
    const made = toJob(task, input, given)
    if (within !== undefined) return enqueueWithin(made, within)
    const sent = toSent(made)
    const job = sent instanceof Promise ? await sent : sent
    return toHandle(job.id, accept(job, await sendWithOthers(job)))
  }

  /** Has written by the time it returns: there is no waiting for blobs. */
  async function enqueueWithin(job: Job, within: unknown): Promise<JobHandle<never>> {
    void carry(undefined, job)
    const [outcome] = await broker.enqueue([job], { within })
    return toHandle(job.id, accept(job, outcome as EnqueueOutcome))
  }

  async function enqueueMany(requests: readonly EnqueueRequest[]): Promise<readonly JobHandle[]> {
    if (tasks) await Promise.all(requests.map(({ task, input }) => checkInput(task, input)))
    const made = requests.map(({ task, input, options: given }) => toJob(task, input, given ?? NO_OPTIONS))
    const jobs = await Promise.all(made.map((job) => toSent(job)))
    const outcomes = await sendAll(jobs, send)
    return jobs.map((job, at) => toHandle(job.id, accept(job, outcomes[at] as EnqueueOutcome)))
  }

  return { enqueue, enqueueMany: enqueueMany as Client<A>['enqueueMany'], job: (id) => toHandle(id, false) }
}

const NO_OPTIONS = {}

/** True for a new job, false for one that was there already. */
function accept(job: Job, outcome: EnqueueOutcome): boolean {
  if (outcome === 'conflict') throw new JobConflict(job.id)
  if (outcome === 'full') throw new QueueFull(job.queue)
  return outcome === 'created'
}

function resultOf(id: string, record: JobRecord | null, timeoutMs: number): string {
  if (!record) throw new JobNotFound(id)
  if (record.state === 'succeeded') return record.result ?? ''
  if (record.state === 'failed' || record.state === 'cancelled' || record.state === 'expired')
    throw new JobFailed(id, record.task, record.state, record.attempts, record.error)
  throw new ResultTimeout(id, timeoutMs, record.state)
}

function asynchronousSchema(task: string, checked: Promise<unknown>): InvalidOption {
  checked.catch(() => {}) // Nobody waits for its answer any more.
  return new InvalidOption(
    `the schema of "${task}"`,
    'synchronous to enqueue within a transaction',
    'an asynchronous one',
  )
}

function checkOptions(task: string, options: EnqueueOptions): void {
  const { id, queue, priority, delayMs, dueAtMs, tags, fingerprint } = options
  checkTaskName(task)
  if (id !== undefined) checkName('id', id)
  if (queue !== undefined) checkName('queue', queue)
  if (priority !== undefined) checkWhole('priority', priority, -1_000_000, 1_000_000)
  if (tags !== undefined) checkTags(tags)
  if (fingerprint !== undefined && !FINGERPRINT.test(fingerprint))
    throw new InvalidOption('fingerprint', FINGERPRINT_FORM, describe(fingerprint))
  checkMs('delayMs', delayMs)
  checkMs('dueAtMs', dueAtMs)
  if (delayMs !== undefined && dueAtMs !== undefined)
    throw new InvalidOption('a job', 'due by delayMs or by dueAtMs', 'both')
}

function checkName(option: string, value: string): void {
  if (typeof value !== 'string' || !NAME.test(value))
    throw new InvalidOption(option, NAME_FORM, typeof value === 'string' ? `${value.length} characters` : typeof value)
}

function checkTags(tags: readonly string[]): void {
  const isTag = (tag: unknown) => typeof tag === 'string' && TAG.test(tag)
  const got = !Array.isArray(tags) ? describe(tags) : tags.length > MAX_TAGS ? `${tags.length} of them` : 'another'
  if (!Array.isArray(tags) || tags.length > MAX_TAGS || !tags.every(isTag))
    throw new InvalidOption('tags', `a list of at most ${MAX_TAGS}, each ${TAG_FORM}`, got)
}

function checkMs(option: string, value: number | undefined): void {
  if (value !== undefined && !(value >= 0 && value <= 8.64e15))
    throw new InvalidOption(option, 'milliseconds, 0 or more', String(value))
}
