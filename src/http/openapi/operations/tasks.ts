import { taskQuery } from '../../request.ts'
import type { TaskRoutes } from '../../tasks.ts'
import { enqueuedJob, tasksView, taskView } from '../answers.ts'
import type { OperationsOf } from '../operation.ts'

export const taskOperations: OperationsOf<TaskRoutes> = {
  '/v1/tasks': {
    $get: {
      id: 'listTasks',
      summary: "Names the app's tasks, with the JSON Schema of their inputs",
      answers: { 200: { summary: 'All of them; null where the server has no app', schema: tasksView } },
    },
  },
  '/v1/tasks/:task': {
    $get: {
      id: 'getTask',
      summary: 'Tells of a task',
      answers: { 200: { summary: 'The task', schema: taskView } },
      problems: ['unknown-task'],
    },
    $post: {
      id: 'enqueueTask',
      summary: 'Enqueues a job of a task; the body is its input',
      description: 'Sent again under the same `id`, with the same input, it enqueues nothing more.',
      query: taskQuery,
      headers: ['Idempotency-Key'],
      body: { examples: { greet: { name: 'Ada' } } },
      answers: {
        202: { summary: 'The job is stored', schema: enqueuedJob, headers: ['Location', 'Idempotent-Replayed'] },
      },
      problems: ['unknown-task', 'job-conflict', 'invalid-input', 'queue-full', 'storage-full', 'blobs-unavailable'],
    },
  },
}
