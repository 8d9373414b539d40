import { type QueueRoutes, queueChange, queuePurge } from '../../queues.ts'
import type { WorkerRoutes } from '../../workers.ts'
import { pausedQueue, purgedQueue, queuesView, queueView, workersView } from '../answers.ts'
import type { OperationsOf } from '../operation.ts'

export const queueOperations: OperationsOf<QueueRoutes> = {
  '/v1/queues': {
    $get: {
      id: 'listQueues',
      summary: 'Counts the jobs of all queues',
      answers: { 200: { summary: 'The queues', schema: queuesView } },
    },
  },
  '/v1/queues/:queue': {
    $get: {
      id: 'getQueue',
      summary: 'Counts the jobs of a queue',
      answers: { 200: { summary: 'The queue, also one that nobody has used', schema: queueView, headers: ['ETag'] } },
    },
  },
  '/v1/queues/:queue/pause': {
    $post: {
      id: 'pauseQueue',
      summary: 'Has workers claim nothing more from a queue',
      headers: ['If-Match'],
      body: { schema: queueChange, examples: { plain: {}, seen: { revision: 0 } } },
      answers: { 200: { summary: 'It is paused', schema: pausedQueue } },
      problems: ['changed'],
    },
  },
  '/v1/queues/:queue/resume': {
    $post: {
      id: 'resumeQueue',
      summary: 'Has workers claim from a queue again',
      headers: ['If-Match'],
      body: { schema: queueChange, examples: { plain: {}, seen: { revision: 0 } } },
      answers: { 200: { summary: 'It is not paused', schema: pausedQueue } },
      problems: ['changed'],
    },
  },
  '/v1/queues/:queue/purge': {
    $post: {
      id: 'purgeQueue',
      summary: 'Removes what waits in a queue, up to 1,000 jobs',
      headers: ['If-Match'],
      body: { schema: queuePurge, examples: { some: { limit: 100 } } },
      answers: { 200: { summary: 'What was removed, and whether more waits', schema: purgedQueue } },
      problems: ['changed'],
    },
  },
}

export const workerOperations: OperationsOf<WorkerRoutes> = {
  '/v1/workers': {
    $get: {
      id: 'listWorkers',
      summary: 'Names the workers that were here lately',
      answers: { 200: { summary: 'The workers', schema: workersView } },
    },
  },
}
