import { type LinkRoutes, linkQuery, linkWaitQuery } from '../../links.ts'
import { enqueuedJob, jobView, resultView } from '../answers.ts'
import type { OperationsOf } from '../operation.ts'

export const linkOperations: OperationsOf<LinkRoutes> = {
  '/v1/links': {
    $get: {
      id: 'getLinkedJob',
      summary: 'Tells of the job that a signed link is for',
      query: linkQuery,
      answers: { 200: { summary: 'The job', schema: jobView } },
      problems: ['unknown-job'],
    },
    $post: {
      id: 'enqueueLinkedJob',
      summary: 'Enqueues a job of the task that a signed link is for',
      description: 'The body is its input, unless the link has one.',
      query: linkQuery,
      headers: ['Idempotency-Key'],
      body: { examples: { greet: { name: 'Ada' } } },
      answers: {
        202: { summary: 'The job is stored', schema: enqueuedJob, headers: ['Location', 'Idempotent-Replayed'] },
      },
      problems: ['unknown-task', 'job-conflict', 'invalid-input', 'queue-full', 'storage-full', 'blobs-unavailable'],
    },
  },
  '/v1/links/result': {
    $get: {
      id: 'getLinkedJobResult',
      summary: 'Waits for the result of the job that a signed link is for',
      query: linkWaitQuery,
      answers: {
        200: { summary: 'It has finished', schema: resultView },
        202: { summary: 'It has not finished: ask again', schema: resultView, headers: ['Retry-After'] },
      },
      problems: ['unknown-job', 'blob-gone', 'blobs-unavailable'],
    },
  },
}
