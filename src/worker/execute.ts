/**
 * The execution pipeline: decode, validate, run with a time limit, decide. In goes a claimed job, out comes its settlement.
 *
 * @module
 */
import type { Settlement } from '../broker.ts'
import type { Clock } from '../clock.ts'
import { JobTimeout, NewerEnvelope, TooLarge, toError } from '../errors.ts'
import type { OnEvent } from '../events.ts'
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
  const { onEvent } = options
  onEvent?.({ kind: 'job.started', id: run.id, task: run.task, attempt: run.attempt })
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
  if (!(value instanceof Promise)) return value
  return new Promise((resolve, reject) => {
    const cancel = clock.after(task.policy.timeoutMs, () => {
      const error = new JobTimeout(task.name, task.policy.timeoutMs)
      run.abort(error)
      reject(error)
    })
    value.finally(cancel).then(resolve, reject)
  })
}

function encodeResult(task: Task, value: unknown, maxBytes: number): string {
  const what = `the result of "${task.name}"`
  const text = toJson(what, value)
  if (text.length * 3 > maxBytes && utf8Bytes(text) > maxBytes) throw new TooLarge(what, maxBytes, utf8Bytes(text))
  return text
}

function succeed(run: Run, task: Task, result: string, { clock, onEvent }: ExecuteOptions): Settlement {
  onEvent?.({
    kind: 'job.succeeded',
    id: run.id,
    task: run.task,
    durationMs: clock.monotonic() - run.startedAtMs,
    result,
  })
  return { kind: 'succeeded', id: run.id, epoch: run.job.epoch, result, keepMs: task.policy.keepResultMs }
}

function fail(run: Run, task: Task, thrown: Error, { random, onEvent }: ExecuteOptions): Settlement {
  const { id, attempt, job } = run
  const facts = { id, task: run.task }
  if (run.cancelled) {
    onEvent?.({ kind: 'job.cancelled', ...facts })
    return { kind: 'cancelled', id, epoch: job.epoch, keepMs: task.policy.keepResultMs }
  }
  const error = toJobError(thrown)
  const decision = decideRetry(thrown, attempt, task.policy.retry, random)
  if (decision.kind === 'retry') {
    onEvent?.({ kind: 'job.retrying', ...facts, attempt, delayMs: decision.delayMs, error })
    return { kind: 'retry', id, epoch: job.epoch, delayMs: decision.delayMs, error }
  }
  onEvent?.({ kind: 'job.failed', ...facts, attempt, reason: decision.reason, error })
  return { kind: 'failed', id, epoch: job.epoch, error, keepMs: task.policy.keepFailedMs }
}
