/**
 * Schedules as plain data, as the command line and REST have them: their form is checked here, everything else by the functions that
 * declare schedules.
 *
 * @module
 */
import * as v from 'valibot'
import { type App, unknownTask } from '../src/app.ts'
import { describe, InvalidOption } from '../src/errors.ts'
import { OVERLAPS, type Schedule } from '../src/schedule.ts'
import type { RuleData, ScheduleData } from '../src/schedules.ts'
import { defineTask, type Task, validateInput } from '../src/task.ts'
import { at } from './at.ts'
import { cron } from './cron.ts'
import { every } from './every.ts'

const text = v.optional(v.string('a text'))
const number = v.optional(v.number('a number'))
const exactNumber = v.exactOptional(v.number())

/** Also for a key that is missing. */
const form =
  (keys: string) =>
  ({ expected }: { readonly expected: string | null }) => {
    if (expected === 'never') return `left out (there are ${keys})`
    return expected === 'Object' ? `an object of ${keys}` : 'given'
  }

const jitter = { jitterMs: number, enabled: v.optional(v.boolean('true or false')) }
const bounds = { startAtMs: number, endAtMs: number, maxRuns: number, ...jitter }
const BOUNDS = 'startAtMs, endAtMs, maxRuns, jitterMs, enabled'

const rules = [
  v.strictObject(
    { kind: v.literal('cron'), pattern: v.string('a text'), timezone: text, ...bounds },
    form(`kind, pattern, timezone, ${BOUNDS}`),
  ),
  v.strictObject(
    {
      kind: v.literal('every'),
      everyMs: v.number('a number'),
      align: v.optional(v.picklist(['clock', 'first'], '"clock" or "first"')),
      ...bounds,
    },
    form(`kind, everyMs, align, ${BOUNDS}`),
  ),
  v.strictObject(
    { kind: v.literal('at'), atMs: v.number('a number'), ...jitter },
    form('kind, atMs, jitterMs, enabled'),
  ),
] as const

const OVERLAP_WORDS = ['allow', ...OVERLAPS] as const

const catchUp = v.union(
  [v.picklist(['skip', 'latest', 'all']), v.strictObject({ maxAgeMs: exactNumber, maxRuns: exactNumber })],
  '"skip", "latest", "all" or an object of maxAgeMs, maxRuns',
)

const Data: v.GenericSchema<unknown, ScheduleData> = v.strictObject(
  {
    name: v.string('a text'),
    task: v.string('a text'),
    input: v.optional(v.unknown()),
    queue: text,
    priority: number,
    rule: v.variant('kind', rules, ({ received }) =>
      received === 'undefined' ? 'given' : 'an object whose kind is "cron", "every" or "at"',
    ),
    catchUp: v.nullish(catchUp),
    overlap: v.nullish(v.picklist(OVERLAP_WORDS, `one of ${OVERLAP_WORDS.join(', ')}`)),
    pingUrl: v.nullish(v.string('a text')),
  },
  form('name, task, input, queue, priority, rule, catchUp, overlap, pingUrl'),
)

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
  const read = v.safeParse(Data, given, { abortEarly: true })
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
