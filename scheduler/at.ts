import type { Schedule } from '../src/schedule.ts'
import type { Task } from '../src/task.ts'
import { toBounds } from './bounds.ts'
import { type Moment, toMs } from './moment.ts'
import { checkName, type JobOptions, type ScheduleOptions, toSchedule } from './schedule.ts'

/** Without those that would bound what is due once. */
export type AtOptions<T extends Task = Task> = JobOptions<T> & Pick<ScheduleOptions, 'jitterMs' | 'enabled'>

/**
 * A schedule that is due once: at a `Date`, at milliseconds since the epoch, or at an ISO 8601 text with its offset.
 *
 * One that is stored only after its moment has passed is never due. Throws `InvalidOption` for what is no moment,
 * `InvalidInput` for an input that the task's schema refuses.
 *
 * @example
 * ```ts
 * import { defineTask } from 'tq-edge'
 * import { at } from 'tq-edge/scheduler'
 *
 * const launch = defineTask({ name: 'launch', run: () => 'launched' })
 * const schedule = at('launch-day', '2027-01-09T09:00+01:00', { task: launch })
 * const dueAtMs = schedule.next(Date.parse('2027-01-01T00:00Z')) ?? 0
 * console.log(new Date(dueAtMs).toISOString()) // 2027-01-09T08:00:00.000Z
 * console.log(schedule.next(dueAtMs)) // null
 * ```
 */
export function at<T extends Task>(name: string, moment: Moment, options: AtOptions<T>): Schedule {
  checkName(name)
  const atMs = toMs(`moment of "${name}"`, moment)
  return toSchedule(name, { kind: 'at', atMs, ...toBounds(name, options) }, atNext(atMs), options)
}

/** The rule of what is due once. */
export function atNext(atMs: number): Schedule['next'] {
  return (afterMs) => (afterMs < atMs ? atMs : null)
}
