/**
 * What the API answers, as schemas. Nothing validates by them but tests: the compiler holds them to the types of the answers, field by field.
 *
 * @module
 */
import * as v from 'valibot'
import type { BlobReference } from '../../blobs.ts'
import type { ClaimedJob, SeenWorker } from '../../broker.ts'
import type { InputIssue } from '../../errors.ts'
import type { JobTick } from '../../job.ts'
import { JOB_STATES, type JobState } from '../../words.ts'
import type { EnqueuedJob, JobAnswer } from '../enqueue.ts'
import type { TransitionEvent } from '../events.ts'
import type { ClaimedView, ExchangeAnswer } from '../exchange.ts'
import type { LastBeat } from '../health.ts'
import type { ChangedJobs } from '../job-changes.ts'
import type { JobEvent } from '../job-events.ts'
import type { ErrorView, JobView, ResultView } from '../job-view.ts'
import type { ChangedJob, JobsView } from '../jobs.ts'
import { KINDS, type Problem, TYPE_BASE } from '../problem.ts'
import type { PausedQueue, PurgedQueue, QueueView } from '../queues.ts'
import type { JsonObject } from '../routes.ts'
import type { TaskView } from '../tasks.ts'
import { anything, count, flag, ms, msOrNull, number, state, text, textOrNull, view, whole } from './view.ts'

/** Any object; not `v.record`, whose values would be checked for nothing. */
const object = v.looseObject({}) as unknown as v.GenericSchema<JsonObject>

export const errorView: v.GenericSchema<ErrorView> = view<ErrorView>()({ name: text, message: text })
export const jobTick: v.GenericSchema<JobTick> = view<JobTick>()({
  schedule: text,
  dueAtMs: number,
  lateMs: number,
  catchUp: flag,
})
const told = {
  id: text,
  state,
  attempts: count,
  lost: count,
  dueAtMs: msOrNull,
  finishedAtMs: msOrNull,
  progress: anything,
  result: anything,
  error: v.nullable(errorView),
}
export const jobEvent: v.GenericSchema<JobEvent> = view<JobEvent>()(told)
export const transition: v.GenericSchema<TransitionEvent> = view<TransitionEvent>()({
  atMs: ms,
  id: text,
  task: text,
  queue: text,
  state: v.picklist([...JOB_STATES, 'removed']),
  attempts: count,
})
export const jobView: v.GenericSchema<JobView> = view<JobView>()({
  ...told,
  task: text,
  queue: text,
  priority: whole,
  input: anything,
  createdAtMs: ms,
  expiresAtMs: msOrNull,
  tick: v.nullable(jobTick),
  tags: v.array(text),
})
export const jobsView: v.GenericSchema<JobsView> = view<JobsView>()({ jobs: v.array(jobView), cursor: textOrNull })
export const resultView: v.GenericSchema<ResultView> = view<ResultView>()({
  id: text,
  state,
  result: v.exactOptional(anything),
  error: v.exactOptional(v.nullable(errorView)),
})

const issue = view<InputIssue>()({ path: text, message: text })
const kinds = Object.keys(KINDS).map((kind) => `${TYPE_BASE}${kind}`)
export const problem: v.GenericSchema<Problem> = view<Problem>()({
  type: v.picklist(kinds),
  title: text,
  status: whole,
  detail: text,
  errors: v.exactOptional(v.array(issue)),
  suggestion: v.exactOptional(text),
  expectedSeq: v.exactOptional(count),
})

export const enqueuedJob: v.GenericSchema<EnqueuedJob> = view<EnqueuedJob>()({
  id: text,
  state: v.nullable(state),
  deduplicated: v.exactOptional(v.literal(true)),
})
const refusedJob = view<Extract<JobAnswer, { problem: unknown }>>()({ id: text, problem })
export const enqueuedJobs: v.GenericSchema<{ jobs: JobAnswer[] }> = v.object({
  jobs: v.array(v.union([enqueuedJob, refusedJob])),
})

export const changedJob = <const Words extends readonly string[]>(
  ...words: Words
): v.GenericSchema<ChangedJob<Words[number]>> => v.object({ id: text, outcome: v.picklist(words) })
export const changedJobs: v.GenericSchema<ChangedJobs> = view<ChangedJobs>()({
  dryRun: flag,
  jobs: v.array(view<ChangedJob>()({ id: text, outcome: text })),
  cursor: textOrNull,
})

export const taskView: v.GenericSchema<TaskView> = view<TaskView>()({
  name: text,
  inputSchema: v.nullable(object),
})
export const tasksView: v.GenericSchema<{ tasks: TaskView[] | null }> = v.object({
  tasks: v.nullable(v.array(taskView)),
})

const counts = v.object(
  Object.fromEntries(JOB_STATES.map((name) => [name, v.exactOptional(count)])),
) as v.GenericSchema<Partial<Record<JobState, number>>>
export const queueView: v.GenericSchema<QueueView> = view<QueueView>()({
  queue: text,
  paused: flag,
  revision: count,
  counts,
})
export const queuesView: v.GenericSchema<{ nowMs: number; queues: QueueView[] }> = v.object({
  nowMs: ms,
  queues: v.array(queueView),
})
export const pausedQueue: v.GenericSchema<PausedQueue> = view<PausedQueue>()({
  queue: text,
  paused: flag,
  revision: count,
})
export const purgedQueue: v.GenericSchema<PurgedQueue> = view<PurgedQueue>()({
  queue: text,
  removed: count,
  more: flag,
  revision: count,
})

export const seenWorker: v.GenericSchema<SeenWorker> = view<SeenWorker>()({
  worker: text,
  queues: v.array(text),
  concurrency: count,
  running: count,
  runtime: text,
  startedAtMs: ms,
  seenAtMs: ms,
  commands: v.exactOptional(count),
  p95Ms: v.exactOptional(v.record(v.string(), number)),
})
export const workersView: v.GenericSchema<{ workers: SeenWorker[] }> = v.object({ workers: v.array(seenWorker) })

const blobReference = view<BlobReference>()({ blob: text, bytes: count })
const claimed = {
  id: text,
  epoch: count,
  v: count,
  task: text,
  queue: text,
  attempt: count,
  lost: count,
  createdAtMs: ms,
  tick: v.nullable(jobTick),
  tags: v.exactOptional(v.array(text)),
}
export const claimedView: v.GenericSchema<ClaimedView> = view<ClaimedView>()({
  ...claimed,
  input: anything,
  inputBlob: v.nullable(blobReference),
})
export const claimedJob: v.GenericSchema<ClaimedJob> = view<ClaimedJob>()({ ...claimed, input: text })
export const exchangeAnswer: v.GenericSchema<ExchangeAnswer> = view<ExchangeAnswer>()({
  nowMs: ms,
  jobs: v.array(v.union([claimedView, claimedJob])),
  late: v.array(text),
  cancelled: v.array(text),
  nextAtMs: v.nullable(number),
  workers: v.exactOptional(count),
})

const lastBeat = view<LastBeat>()({ seenAtMs: ms, agoMs: number })
export const health: v.GenericSchema<{ status: 'ok'; beat?: LastBeat }> = v.object({
  status: v.literal('ok'),
  beat: v.exactOptional(lastBeat),
})
export const ready: v.GenericSchema<{ status: 'ready' }> = v.object({ status: v.literal('ready') })
