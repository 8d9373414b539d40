import * as v from 'valibot'
import { MAX_BATCH_JOBS } from '../../../broker.ts'
import { list } from '../../fields.ts'
import type { JobEventRoutes } from '../../job-events.ts'
import { filterQuery } from '../../job-filter.ts'
import type { JobRoutes } from '../../jobs.ts'
import { type JobsBody, jobRequest, waitQuery } from '../../request.ts'
import { changedJob, enqueuedJob, enqueuedJobs, jobsView, jobView, resultView } from '../answers.ts'
import type { OperationsOf } from '../operation.ts'

const manyJobs = list(jobRequest, MAX_BATCH_JOBS)
/** As `checkJobs` takes them apart. */
const jobsBody: v.GenericSchema<JobsBody> = v.union([jobRequest, manyJobs, v.strictObject({ jobs: manyJobs })])

const TAKEN = 'every job is stored'

export const jobOperations: OperationsOf<JobRoutes & JobEventRoutes> = {
  '/v1/jobs': {
    $get: {
      id: 'listJobs',
      summary: 'Lists jobs, newest first, a page at a time',
      description: 'A page may be short, and even empty: go on with its `cursor` until that is null.',
      query: filterQuery,
      answers: { 200: { summary: 'A page', schema: jobsView } },
    },
    $post: {
      id: 'enqueueJobs',
      summary: 'Enqueues one job or many, with all options',
      description:
        'One job is answered as one, a list as `{"jobs": [...]}` in its order. A job has `delayMs` or `dueAtMs`, not both.',
      headers: ['Idempotency-Key'],
      body: {
        schema: jobsBody,
        required: true,
        examples: {
          one: { task: 'greet', input: { name: 'Ada' }, id: 'welcome-ada', priority: 5 },
          many: {
            jobs: [
              { task: 'greet', input: { name: 'Alan' } },
              { task: 'greet', input: { name: 'Edsger' } },
            ],
          },
          list: [{ task: 'greet', input: { name: 'Barbara' }, dueAtMs: 4_102_444_800_000 }],
        },
      },
      answers: {
        202: {
          summary: TAKEN,
          schema: v.union([enqueuedJob, enqueuedJobs]),
          headers: ['Location', 'Idempotent-Replayed'],
        },
        207: { summary: 'Some jobs are stored, the others have a problem each', schema: enqueuedJobs },
      },
      problems: ['unknown-task', 'job-conflict', 'invalid-input', 'queue-full', 'storage-full', 'blobs-unavailable'],
    },
  },
  '/v1/jobs/:id': {
    $get: {
      id: 'getJob',
      summary: 'Tells of a job',
      headers: ['If-None-Match'],
      answers: {
        200: { summary: 'The job', schema: jobView, headers: ['ETag'] },
        304: { summary: 'It is as `If-None-Match` has it', headers: ['ETag'] },
      },
      problems: ['unknown-job'],
    },
    $delete: {
      id: 'removeJob',
      summary: 'Removes a job that is not running',
      headers: ['If-Match'],
      answers: { 200: { summary: 'It is gone', schema: changedJob('removed') } },
      problems: ['unknown-job', 'job-state', 'changed'],
    },
  },
  '/v1/jobs/:id/result': {
    $get: {
      id: 'getJobResult',
      summary: 'Waits for the result of a job',
      query: waitQuery,
      headers: ['Prefer'],
      answers: {
        200: { summary: 'It has finished', schema: resultView },
        202: { summary: 'It has not finished: ask again', schema: resultView, headers: ['Retry-After'] },
      },
      problems: ['unknown-job', 'blob-gone', 'blobs-unavailable'],
    },
  },
  '/v1/jobs/:id/events': {
    $get: {
      id: 'watchJob',
      summary: 'Streams how a job comes along, as server-sent events',
      description:
        'The data of an event `job` is a JobEvent, what the job is by then; `gone` says that its record is not there any more.',
      headers: ['Last-Event-ID'],
      answers: {
        200: { summary: 'The stream', type: 'text/event-stream', schema: v.string() },
        204: { summary: 'It has finished as `Last-Event-ID` has it: nothing more will be told' },
      },
      problems: ['unknown-job', 'too-many-streams'],
    },
  },
  '/v1/jobs/:id/cancel': {
    $post: {
      id: 'cancelJob',
      summary: 'Cancels a job',
      headers: ['If-Match'],
      answers: {
        200: { summary: 'It is cancelled', schema: changedJob('cancelled', 'asked'), headers: ['Location'] },
        202: {
          summary: 'It runs: its worker is asked',
          schema: changedJob('cancelled', 'asked'),
          headers: ['Location'],
        },
      },
      problems: ['unknown-job', 'job-state', 'changed'],
    },
  },
  '/v1/jobs/:id/retry': {
    $post: {
      id: 'retryJob',
      summary: 'Runs a failed or cancelled job again, from its first attempt',
      headers: ['If-Match'],
      answers: { 200: { summary: 'It waits for a worker', schema: changedJob('queued') } },
      problems: ['unknown-job', 'job-state', 'changed', 'queue-full'],
    },
  },
  '/v1/jobs/:id/promote': {
    $post: {
      id: 'promoteJob',
      summary: 'Has a job that is due later be due now',
      headers: ['If-Match'],
      answers: { 200: { summary: 'It waits for a worker', schema: changedJob('queued') } },
      problems: ['unknown-job', 'job-state', 'changed', 'queue-full'],
    },
  },
}
