import { blobOf } from '../blobs.ts'
import type { JobHandle } from '../client/client.ts'
import { JobFailed, ResultTimeout } from '../errors.ts'
import { fromJson, type JobError, type JobRecord, type JobTick } from '../job.ts'
import { isFinished, type JobState } from '../words.ts'

/** A job as the API tells of it: every field is there, null where there is nothing. */
export interface JobView {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly state: JobState
  readonly priority: number
  readonly input: unknown
  readonly createdAtMs: number
  /** When it is due, while it is scheduled or retrying. */
  readonly dueAtMs: number | null
  readonly finishedAtMs: number | null
  /** When the record of a finished job goes. */
  readonly expiresAtMs: number | null
  /** Attempts that have ended. */
  readonly attempts: number
  /** How often a worker has gone away in the middle of it. */
  readonly lost: number
  readonly progress: unknown
  readonly result: unknown
  readonly error: ErrorView | null
  readonly tick: JobTick | null
  readonly tags: readonly string[]
}

/** An error without its stack, which is the worker's own affair. */
export type ErrorView = Pick<JobError, 'name' | 'message'>

/** How far a job has come, for whoever waits for its result. */
export interface ResultView {
  readonly id: string
  readonly state: JobState
  /** Of a succeeded job; null when its handler returned nothing. */
  readonly result?: unknown
  /** Of a job that ended otherwise; null when there was none, as for a cancelled one. */
  readonly error?: ErrorView | null
}

export function toJobView(record: JobRecord): JobView {
  const { id, task, queue, state, priority, createdAtMs, atMs, finishedAtMs, attempts, lost, tick, tags } = record
  return {
    id,
    task,
    queue,
    state,
    priority,
    input: toValue(record.input),
    createdAtMs,
    dueAtMs: state === 'scheduled' || state === 'retrying' ? atMs : null,
    finishedAtMs,
    expiresAtMs: isFinished(state) ? atMs : null,
    attempts,
    lost,
    progress: toValue(record.progress),
    result: toValue(record.result),
    error: toErrorView(record.error),
    tick,
    tags,
  }
}

/** Waits for a job to finish; answers how far it has come when time is up or the caller is gone. Throws `JobNotFound`. */
export async function resultOf(job: JobHandle, timeoutMs: number, signal: AbortSignal): Promise<ResultView> {
  try {
    return { id: job.id, state: 'succeeded', result: (await job.result({ timeoutMs, signal })) ?? null }
  } catch (error) {
    if (error instanceof ResultTimeout) return { id: job.id, state: error.state as JobState }
    if (!(error instanceof JobFailed)) throw error
    return { id: job.id, state: error.state as JobState, error: toErrorView(error.error) }
  }
}

/** Of what is kept elsewhere the reference: it is too large to be shown by the way. */
function toValue(text: string | null): unknown {
  return text === null ? null : (blobOf(text) ?? fromJson(text) ?? null)
}

function toErrorView(error: ErrorView | null): ErrorView | null {
  return error && { name: error.name, message: error.message }
}
