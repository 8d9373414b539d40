/**
 * Schedules as plain data, as the command line and REST have them: their form is checked here, everything else by the functions that
 * declare schedules.
 *
 * @module
 */
import * as v from 'valibot'
import { type App, unknownTask } from '../src/app.ts'
import { describe, InvalidOption } from '../src/errors.ts'
import type { Schedule } from '../src/schedule.ts'
import { scheduleData } from '../src/schedule-data.ts'
import type { RuleData, ScheduleData } from '../src/schedules.ts'
import { defineTask, type Task, validateInput } from '../src/task.ts'
import { at } from './at.ts'
import { cron } from './cron.ts'
import { every } from './every.ts'

/**
 * The schedule that data declares. Without an app neither the task's name nor the input are checked.
 *
 * Throws `InvalidOption` for what cannot be, `UnknownTask` and `InvalidInput` as the app has it.
 */
export async function fromScheduleData(given: unknown, app?: App): Promise<Schedule> {
  const data = parse(given)
  const task = taskOf(data.task, app)
  // Here also an asynchronous schema may answer.
  await validateInput(task, data.input)
  return declare(data, data.rule, task)
}

function parse(given: unknown): ScheduleData {
  const read = v.safeParse(scheduleData, given, { abortEarly: true })
  if (read.success) return read.output
  const [{ path = [], message, input }] = read.issues
  const where = path.map(({ key }) => String(key)).join('.')
  const what = where === '' ? 'a schedule' : `"${where}" of a schedule`
  throw new InvalidOption(what, message, input === undefined ? 'none' : describe(input))
}

/** The app's; without an app one that takes any input. Throws `UnknownTask`. */
export function taskOf(name: string, app: App | undefined): Task {
  if (!app) return defineTask({ name, run: () => {} })
  const task = app.tasks.get(name)
  if (!task) throw unknownTask(name, app.tasks.keys())
  return task
}

function declare({ name, input, queue, priority, ...given }: ScheduleData, rule: RuleData, task: Task): Schedule {
  const { jitterMs, enabled } = rule
  const catchUp = given.catchUp ?? undefined
  const overlap = given.overlap ?? undefined
  const pingUrl = given.pingUrl ?? undefined
  const options = { task, input, queue, priority, catchUp, overlap, pingUrl, jitterMs, enabled }
  if (rule.kind === 'at') return at(name, rule.atMs, options)
  const bounded = { ...options, startAt: rule.startAtMs, endAt: rule.endAtMs, maxRuns: rule.maxRuns }
  if (rule.kind === 'every') return every(name, rule.everyMs, { ...bounded, align: rule.align })
  return cron(name, rule.pattern, { ...bounded, timezone: rule.timezone })
}
