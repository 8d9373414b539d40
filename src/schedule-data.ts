/**
 * The form of a schedule as plain data. What cannot be in it, such as a pattern without a due time, is found by whoever declares it.
 *
 * @module
 */
import * as v from 'valibot'
import { OVERLAPS } from './schedule.ts'
import type { ScheduleData } from './schedules.ts'

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

/** All but its name, which a path may have. What is said of a wrong value follows the word `expected`. */
export const scheduleFields = {
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
}

export const scheduleData: v.GenericSchema<ScheduleData> = v.strictObject(
  { name: v.string('a text'), ...scheduleFields },
  form('name, task, input, queue, priority, rule, catchUp, overlap, pingUrl'),
)
