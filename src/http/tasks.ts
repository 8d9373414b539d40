import type { StandardJSONSchemaV1 } from '@standard-schema/spec'
import { unknownTask } from '../app.ts'
import { UnknownTask } from '../errors.ts'
import type { Task } from '../task.ts'
import { limitBody } from './body.ts'
import type { ApiContext } from './context.ts'
import { type EnqueuedJob, locationOf, only } from './enqueue.ts'
import { checkInput, checkNothing, checkTaskQuery, type TaskQuery } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { JsonObject, Route, Routed } from './routes.ts'
import { requireEnqueue } from './scopes.ts'

/** A task as the API tells of it. */
export interface TaskView {
  readonly name: string
  /** JSON Schema (draft 2020-12) of its input; null where it has no schema, or one that cannot tell. */
  readonly inputSchema: JsonObject | null
}

export type TaskRoutes = {
  '/v1/tasks': { $get: Route<object, { tasks: TaskView[] | null }, 200> }
  '/v1/tasks/:task': {
    $get: Route<{ param: { task: string } }, TaskView, 200>
    $post: Route<{ param: { task: string }; query: TaskQuery; json?: unknown }, EnqueuedJob, 202>
  }
}

/** Tells of the app's tasks, and enqueues a job of one by the body that is its input. */
export function taskRoutes({ tasks, enqueue: { check, enqueue }, once, maxBodyBytes }: ApiContext): Routed<TaskRoutes> {
  const viewOf = createTaskViews()
  return createRouteGroup()
    .get('/v1/tasks', checkNothing, (c) => c.json({ tasks: tasks ? [...tasks.values()].map(viewOf) : null }, 200))
    .get('/v1/tasks/:task', checkNothing, (c) => {
      const name = c.req.param('task')
      const task = tasks?.get(name)
      if (task) return c.json(viewOf(task), 200)
      throw tasks ? unknownTask(name, tasks.keys()) : new UnknownTask(name)
    })
    .post('/v1/tasks/:task', limitBody(maxBodyBytes), checkTaskQuery, checkInput, async (c) => {
      const request = { task: c.req.param('task'), ...c.req.valid('query'), ...c.req.valid('json') }
      requireEnqueue(c, [request])
      await check([request], () => '')
      const job = only(await once(c, { request: { of: 'task', ...request } }, (keyed) => enqueue([request], keyed)))
      return c.json(job, 202, { Location: locationOf(job.id) })
    })
}

/** Worked out once for each task, when somebody asks. */
function createTaskViews(): (task: Task) => TaskView {
  const views = new Map<Task, TaskView>()
  return (task) => {
    const view = views.get(task) ?? { name: task.name, inputSchema: toInputSchema(task) }
    views.set(task, view)
    return view
  }
}

/** By Standard JSON Schema, which some libraries have built in. One that cannot say it of this schema throws. */
export function toInputSchema({ schema }: Task): JsonObject | null {
  const { jsonSchema } = (schema?.['~standard'] ?? {}) as Partial<StandardJSONSchemaV1.Props>
  try {
    return (jsonSchema?.input({ target: 'draft-2020-12' }) as JsonObject | undefined) ?? null
  } catch {
    return null
  }
}
