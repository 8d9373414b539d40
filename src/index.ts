/**
 * tq: Celery for the edge.
 *
 * @module
 */
export { type App, defineApp, type TasksOf } from './app.ts'
export { type BlobReference, type Blobs, blobOf } from './blobs.ts'
export type { Broker, ScheduleRun } from './broker.ts'
export type { Callbacks } from './callbacks.ts'
export * from './client/index.ts'
export { type Clock, systemClock } from './clock.ts'
export * from './errors.ts'
export type { OnEvent, TqEvent, WorkerTotals } from './events.ts'
export type { Job, JobError, JobRecord, JobTick } from './job.ts'
export type { Fetch, OutboundOptions } from './outbound.ts'
export { type Backoff, exponential, fixed, type Jitter, list, type RetryPolicy } from './retry.ts'
export type { Schedule } from './schedule.ts'
export type { ScheduleData, Schedules, SchedulesPage, ScheduleView } from './schedules.ts'
export { defineTask, type JobContext, type Task, type TaskDefinition, type TaskPolicy } from './task.ts'
export { DEFAULT_QUEUE, FINISHED_STATES, JOB_STATES, type JobState } from './words.ts'
export { type SendCallbacksOptions, sendCallbacks, type ToCallbackTask } from './worker/callbacks.ts'
export { type DrainOptions, type DrainReport, drain } from './worker/drain.ts'
export { createWorker, type Worker, type WorkerOptions } from './worker/worker.ts'
