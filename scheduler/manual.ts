/** Running a schedule beside its due times, and telling of its last ticks. */
import type { App } from '../src/app.ts'
import type { ScheduleRun, StoredSchedule, Tick } from '../src/broker.ts'
import { InvalidOption, ScheduleUnreadable } from '../src/errors.ts'
import type { Job, JobRecord, JobTick } from '../src/job.ts'
import type { RunOptions, RunView } from '../src/schedules.ts'
import { type Task, validateInput } from '../src/task.ts'
import { NAME, NAME_FORM } from '../src/words.ts'
import { type Declared, readDefinition } from './definition.ts'
import { inputText } from './schedule.ts'
import { taskOf } from './schedule-data.ts'

interface Manual extends RunOptions {
  readonly id: string
  /** Where it is known the task's name and a given input are checked. */
  readonly app: App | undefined
  readonly nowMs: number
}

/**
 * A tick that moves nothing. Throws `ScheduleUnreadable` for a schedule whose jobs cannot be made here, `UnknownTask` and `InvalidInput`
 * as the app has it.
 */
export async function toManualTick(stored: StoredSchedule, manual: Manual): Promise<Tick & { readonly job: Job }> {
  const { name, revision, dueAtMs } = stored
  const { id, app, nowMs, fingerprint } = manual
  const read = readDefinition(stored.definition)
  if (!read) throw new ScheduleUnreadable(name)
  const own = app && stored.app === app.name ? app : undefined
  const tick: JobTick = { schedule: name, dueAtMs: nowMs, lateMs: 0, catchUp: false }
  const { task, queue, priority, overlap } = read
  const input = await inputFor(name, read, taskOf(task, own), { ...manual, app: own }, tick)
  return {
    schedule: name,
    revision,
    dueAtMs: null,
    nextDueAtMs: dueAtMs,
    job: {
      id,
      task,
      queue,
      input,
      priority,
      createdAtMs: nowMs,
      tick,
      ...(fingerprint !== undefined && { fingerprint }),
    },
    overlap,
  }
}

/** The one that is given, or that of the schedule. */
async function inputFor(
  name: string,
  { input, inputBy }: Declared,
  task: Task,
  { app, input: given }: Manual,
  tick: JobTick,
): Promise<string> {
  if (given !== undefined) {
    // Here also an asynchronous schema may answer.
    await validateInput(task, given)
    return inputText(name, task, given)
  }
  if (!inputBy) return input
  const inputOf = app?.schedules.find((schedule) => schedule.name === name)?.inputOf
  if (!inputOf) throw new ScheduleUnreadable(name)
  return inputOf(tick)
}

export function checkId(id: string): void {
  if (!NAME.test(id)) throw new InvalidOption('id', NAME_FORM, `${id.length} characters`)
}

export function toRunView({ manual, ...run }: ScheduleRun, job?: JobRecord): RunView {
  const { state = null, finishedAtMs = null, attempts = null } = job ?? {}
  return { ...run, lateMs: run.firedAtMs - run.dueAtMs, manual: manual === true, state, finishedAtMs, attempts }
}
