/** Every call of the API. A route that is missing here does not compile. */
import type { Routes } from '../routes.ts'
import type { OperationsOf } from './operation.ts'
import { eventOperations } from './operations/events.ts'
import { exchangeOperations } from './operations/exchange.ts'
import { healthOperations } from './operations/health.ts'
import { jobChangeOperations } from './operations/job-changes.ts'
import { jobOperations } from './operations/jobs.ts'
import { linkOperations } from './operations/links.ts'
import { queueOperations, workerOperations } from './operations/queues.ts'
import { scheduleOperations } from './operations/schedules.ts'
import { taskOperations } from './operations/tasks.ts'

export const OPERATIONS: OperationsOf<Routes> = {
  ...taskOperations,
  ...jobOperations,
  ...eventOperations,
  ...jobChangeOperations,
  ...queueOperations,
  ...workerOperations,
  ...exchangeOperations,
  ...scheduleOperations,
  ...linkOperations,
  ...healthOperations,
}

/** Which of the optional parts an API has. */
export interface Parts {
  readonly schedules: boolean
  readonly links: boolean
}

export interface Tag {
  readonly name: string
  readonly description: string
  /** How the paths begin that have it. */
  readonly paths: readonly string[]
  /** What an API must have been given to have them. Default nothing. */
  readonly part?: keyof Parts
}

export const TAGS: readonly Tag[] = [
  { name: 'Tasks', description: 'What there is to do, and jobs of it', paths: ['/v1/tasks'] },
  { name: 'Jobs', description: 'Enqueue, read and change jobs', paths: ['/v1/jobs', '/v1/events'] },
  { name: 'Queues', description: 'Count, pause and empty queues', paths: ['/v1/queues'] },
  { name: 'Workers', description: 'Who works, and how', paths: ['/v1/workers', '/v1/exchange'] },
  { name: 'Schedules', description: 'What turns into jobs when', paths: ['/v1/schedules'], part: 'schedules' },
  { name: 'Links', description: 'What signed links do, without a token', paths: ['/v1/links'], part: 'links' },
  { name: 'Health', description: 'Whether it is up', paths: ['/healthz', '/readyz'] },
]
