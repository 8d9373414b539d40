import type { JobChangeRoutes } from '../../job-changes.ts'
import { type JobsChange, jobsChange } from '../../job-filter.ts'
import { changedJobs } from '../answers.ts'
import type { Body, OperationsOf } from '../operation.ts'

const CHANGED = { 200: { summary: 'What has become of each, in one step', schema: changedJobs } }

const description =
  'Either `ids`, or a `filter` with its `limit` and `cursor`: go on with the same filter until the cursor is null.'

const body: Body<JobsChange> = {
  schema: jobsChange,
  required: true,
  examples: {
    ids: { ids: ['welcome-ada', 'welcome-grace'] },
    dryRun: { filter: { queue: 'default' }, limit: 100, dryRun: true },
  },
}

export const jobChangeOperations: OperationsOf<JobChangeRoutes> = {
  '/v1/jobs/cancel': {
    $post: {
      id: 'cancelJobs',
      summary: 'Cancels many jobs, by ids or by a filter',
      description,
      body,
      answers: CHANGED,
    },
  },
  '/v1/jobs/retry': {
    $post: {
      id: 'retryJobs',
      summary: 'Runs many jobs again, by ids or by a filter',
      description,
      body,
      answers: CHANGED,
      problems: ['queue-full'],
    },
  },
  '/v1/jobs/promote': {
    $post: {
      id: 'promoteJobs',
      summary: 'Has many jobs be due now, by ids or by a filter',
      description,
      body,
      answers: CHANGED,
      problems: ['queue-full'],
    },
  },
  '/v1/jobs/remove': {
    $post: {
      id: 'removeJobs',
      summary: 'Removes many jobs, by ids or by a filter',
      description,
      body,
      answers: CHANGED,
    },
  },
}
