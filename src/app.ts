import leven from 'leven'
import type { Blobs } from './blobs.ts'
import { DuplicateName, InvalidOption, UnknownTask } from './errors.ts'
import type { Webhook } from './http/webhooks.ts'
import type { Schedule } from './schedule.ts'
import type { Task } from './task.ts'
import { NAME, NAME_FORM } from './words.ts'

/** The tasks and schedules of a project. `Tasks` carries what producers need to know, as types alone. */
export interface App<Tasks extends readonly Task[] = readonly Task[]> {
  /** Whose schedules they are, where several apps share a broker. */
  readonly name: string
  readonly tasks: ReadonlyMap<string, Task>
  readonly schedules: readonly Schedule[]
  /** Where inputs and results go that are too large for the broker. */
  readonly blobs?: Blobs
  readonly webhooks?: ToWebhooks
  readonly '~tasks'?: Tasks
}

/** Webhooks with their secrets from variables: the environment, or what a platform has in its place. Called where an API is served. */
export type ToWebhooks = (variables: Readonly<Record<string, string | undefined>>) => readonly Webhook[]

/** From each task's name to its input and result, read off an app's type. */
export type TasksOf<A> =
  A extends App<infer Tasks> ? { readonly [T in Tasks[number] as T['name']]: NonNullable<T['~types']> } : never

/**
 * Puts tasks and schedules together into an app: what `tq work` runs and what producers import the type of.
 *
 * Throws `InvalidOption` for a name that cannot be, `DuplicateName` for two tasks or two schedules of one name, `UnknownTask` for a schedule of a task the app lacks.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => 'done' })] })
 * console.log([...app.tasks.keys()].join()) // tidy
 * ```
 */
export function defineApp<const Tasks extends readonly Task[]>({
  name = 'app',
  tasks,
  schedules = [],
  blobs,
  webhooks,
}: {
  /** Give each app its own where several share a broker: a deploy removes the schedules that its app no longer has. */
  name?: string
  tasks: Tasks
  schedules?: readonly Schedule[]
  /** Where inputs and results go that are too large for the broker: its workers, its API and `tq` use it. Clients are given their own. */
  blobs?: Blobs | undefined
  /** What other services send, by `webhook` of `tq-edge/webhooks`: whatever serves the app's REST API takes it. */
  webhooks?: ToWebhooks | undefined
}): App<Tasks> {
  if (!NAME.test(name)) throw new InvalidOption('the name of an app', NAME_FORM, `${name.length} characters`)
  const byName = new Map(tasks.map((task) => [task.name, task]))
  requireDistinct('task', tasks)
  requireDistinct('schedule', schedules)
  for (const { task } of schedules) if (!byName.has(task)) throw unknownTask(task, byName.keys())
  return { name, tasks: byName, schedules, ...(blobs && { blobs }), ...(webhooks && { webhooks }) }
}

function requireDistinct(kind: 'task' | 'schedule', named: readonly { readonly name: string }[]): void {
  const seen = new Set<string>()
  for (const { name } of named) {
    if (seen.has(name)) throw new DuplicateName(kind, name)
    seen.add(name)
  }
}

/** The error for a task that is not there, with the known name that looks most like it. */
export function unknownTask(name: string, known: Iterable<string>): UnknownTask {
  const closest = [...known]
    .map((candidate) => ({ candidate, edits: leven(name, candidate) }))
    .sort((a, b) => a.edits - b.edits)[0]
  return new UnknownTask(name, closest && closest.edits <= Math.max(2, name.length / 3) ? closest.candidate : undefined)
}
