/**
 * The execution pipeline: decode, validate, run with a time limit, decide. In goes a claimed job, out comes its settlement.
 *
 * @module
 */
import type { Settlement } from '../broker.ts'
import type { Clock } from '../clock.ts'
import { JobTimeout, NewerEnvelope, TooLarge, toError } from '../errors.ts'
import type { OnEvent, TqEvent } from '../events.ts'
import { ENVELOPE_VERSION, fromJson, toJobError, toJson, utf8Bytes } from '../job.ts'
import { decideRetry } from '../retry.ts'
import { type Task, validateInput } from '../task.ts'
import type { Run } from './run.ts'

export interface ExecuteOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly maxResultBytes: number
  readonly onEvent: OnEvent | undefined
}

/** Runs a job and says what becomes of it. Never rejects: whatever the handler does ends in a settlement. */
export async function execute(run: Run, task: Task, options: ExecuteOptions): Promise<Settlement> {
  tell(run, options, { kind: 'job.started', id: run.id, task: run.task, attempt: run.attempt })
  try {
    const input = validateInput(task, fromJson(run.job.input))
    const value = await withinTimeLimit(run, task, input, options.clock)
    return succeed(run, task, encodeResult(task, value, options.maxResultBytes), options)
  } catch (thrown) {
    return fail(run, task, toError(thrown), options)
  }
}

/** Why this worker cannot run the job although another one may; null when it can. */
export function refusal(run: Run): string | null {
  if (run.job.v > ENVELOPE_VERSION) return new NewerEnvelope(ENVELOPE_VERSION, run.job.v).message
  return run.definition ? null : `no task "${run.task}" in this worker's app`
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

function encodeResult(task: Task, value: unknown, maxBytes: number): string {
  const what = `the result of "${task.name}"`
  const text = toJson(what, value)
  if (text.length * 3 > maxBytes && utf8Bytes(text) > maxBytes) throw new TooLarge(what, maxBytes, utf8Bytes(text))
  return text
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
