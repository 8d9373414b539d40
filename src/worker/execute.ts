/**
 * The execution pipeline: fetch, decode, validate, run with a time limit, decide. In goes a claimed job, out comes its
 * settlement.
 *
 * @module
 */
import { type BlobStore, fromCarried, hasBlob, toCarried } from '../blobs.ts'
import type { Settlement } from '../broker.ts'
import { CALLBACK_TASK } from '../callbacks.ts'
import type { Clock } from '../clock.ts'
import { JobTimeout, NewerEnvelope, toError } from '../errors.ts'
import type { OnEvent, TqEvent } from '../events.ts'
import { ENVELOPE_VERSION, fromJson, toJobError, toJson } from '../job.ts'
import { decideRetry } from '../retry.ts'
import { type Task, validateInput } from '../task.ts'
import type { Run } from './run.ts'

export interface ExecuteOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly maxResultBytes: number
  readonly blobs: BlobStore | undefined
  readonly onEvent: OnEvent | undefined
}

/** Runs a job and says what becomes of it. Never rejects: whatever the handler does ends in a settlement. */
export async function execute(run: Run, task: Task, options: ExecuteOptions): Promise<Settlement> {
  tell(run, options, { kind: 'job.started', id: run.id, task: run.task, attempt: run.attempt })
  try {
    const text = hasBlob(run.job) ? await fetchInput(run, options.blobs) : run.job.input
    const input = validateInput(task, fromJson(text))
    const value = await withinTimeLimit(run, task, input, options.clock)
    const result = encodeResult(run, value, options)
    return succeed(run, task, typeof result === 'string' ? result : await result, options)
  } catch (thrown) {
    return fail(run, task, toError(thrown), options)
  }
}

/** Why this worker cannot run the job although another one may; null when it can. */
export function refusal(run: Run, blobs: BlobStore | undefined): string | null {
  if (run.job.v > ENVELOPE_VERSION) return new NewerEnvelope(ENVELOPE_VERSION, run.job.v).message
  if (!run.definition && run.task === CALLBACK_TASK) return 'this worker has no secret to sign callbacks with'
  if (!run.definition) return `no task "${run.task}" in this worker's app`
  return hasBlob(run.job) && !blobs ? 'its input is a blob, and this worker has no blobs' : null
}

/** The job may have gone back to its queue meanwhile: then its handler does not start here any more. */
async function fetchInput(run: Run, blobs: BlobStore | undefined): Promise<string> {
  const text = await fromCarried(blobs, run.id, run.job.input, run.signal)
  run.signal.throwIfAborted()
  return text
}

/** Handlers that answer at once need no timer; one that takes longer than its limit is left behind with its signal aborted. */
function withinTimeLimit(run: Run, task: Task, input: unknown, clock: Clock): unknown {
  const value = input instanceof Promise ? input.then((settled) => task.run(settled, run)) : task.run(input, run)
  if (!isThenable(value)) return value
  return new Promise((resolve, reject) => {
    const cancel = clock.after(task.policy.timeoutMs, () => {
      const error = new JobTimeout(task.name, task.policy.timeoutMs)
      run.abort(error)
      reject(error)
    })
    Promise.resolve(value).finally(cancel).then(resolve, reject)
  })
}

/** Query builders can be awaited without being promises. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function encodeResult(run: Run, value: unknown, options: ExecuteOptions): string | Promise<string> {
  const { id, task } = run
  const text = toJson(`the result of "${task}"`, value)
  return toCarried(options.blobs, { kind: 'result', id, task, text, maxBytes: options.maxResultBytes })
}

/** Of a job that has been given back nothing more is told: its outcome here does not count. */
function tell(run: Run, { onEvent }: ExecuteOptions, event: TqEvent): void {
  if (!run.released) onEvent?.(event)
}

function succeed(run: Run, task: Task, result: string, options: ExecuteOptions): Settlement {
  const durationMs = options.clock.monotonic() - run.startedAtMs
  tell(run, options, { kind: 'job.succeeded', id: run.id, task: run.task, durationMs, result })
  return { kind: 'succeeded', id: run.id, epoch: run.job.epoch, result, keepMs: task.policy.keepResultMs }
}

/** What becomes of a job whose attempt has ended with an error: cancelled, tried again later, or failed. */
export function fail(run: Run, task: Task, thrown: Error, options: ExecuteOptions): Settlement {
  const { id, attempt, job } = run
  const facts = { id, task: run.task }
  if (run.cancelled) {
    tell(run, options, { kind: 'job.cancelled', ...facts })
    return { kind: 'cancelled', id, epoch: job.epoch, keepMs: task.policy.keepResultMs }
  }
  const error = toJobError(thrown)
  const decision = decideRetry(thrown, attempt, task.policy.retry, options.random)
  if (decision.kind === 'retry') {
    tell(run, options, { kind: 'job.retrying', ...facts, attempt, delayMs: decision.delayMs, error })
    return { kind: 'retry', id, epoch: job.epoch, delayMs: decision.delayMs, error }
  }
  tell(run, options, { kind: 'job.failed', ...facts, attempt, reason: decision.reason, error })
  return { kind: 'failed', id, epoch: job.epoch, error, keepMs: task.policy.keepFailedMs }
}
