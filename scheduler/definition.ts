/**
 * A schedule as the text that a broker stores: all that another process needs to compute its due times and its jobs.
 *
 * New fields are optional with a default; `v` rises only for a change that an older beat would get wrong, and such a beat
 * leaves the schedule alone.
 *
 * @module
 */
import * as v from 'valibot'
import type { StoredSchedule } from '../src/broker.ts'
import { isTqError } from '../src/errors.ts'
import type { Schedule, ScheduleRule } from '../src/schedule.ts'
import { cronNext } from './cron.ts'
import { everyNext } from './every.ts'

const DEFINITION_VERSION = 1

const Rule: v.GenericSchema<unknown, ScheduleRule> = v.variant('kind', [
  v.object({ kind: v.literal('cron'), pattern: v.string(), timezone: v.string() }),
  v.object({ kind: v.literal('every'), everyMs: v.number() }),
])

const Definition = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    v: v.literal(DEFINITION_VERSION),
    rule: Rule,
    task: v.string(),
    input: v.string(),
    queue: v.string(),
    priority: v.number(),
  }),
)

/** The same text for the same schedule: a broker tells by it whether a schedule has changed. */
export function toDefinition({ rule, task, input, queue, priority }: Schedule): string {
  return JSON.stringify({ v: DEFINITION_VERSION, rule, task, input, queue, priority })
}

/** The schedule that a broker has stored; null when this version cannot make sense of it. */
export function fromDefinition({ name, definition }: Pick<StoredSchedule, 'name' | 'definition'>): Schedule | null {
  const read = v.safeParse(Definition, definition)
  if (!read.success) return null
  const { rule, task, input, queue, priority } = read.output
  const next = nextOf(name, rule)
  return next && { name, task, input, queue, priority, rule, next }
}

/** Null for a rule that was valid where it was declared, but is not here: a zone that this runtime does not have. */
function nextOf(name: string, rule: ScheduleRule): Schedule['next'] | null {
  try {
    return rule.kind === 'cron' ? cronNext(name, rule.pattern, rule.timezone) : everyNext(name, rule.everyMs)
  } catch (error) {
    if (isTqError(error, 'InvalidOption')) return null
    throw error
  }
}
