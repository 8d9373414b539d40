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
import { OVERLAPS, type Schedule, type ScheduleRule } from '../src/schedule.ts'
import { atNext } from './at.ts'
import { jitterOf, within } from './bounds.ts'
import { cronNext } from './cron.ts'
import { everyNext } from './every.ts'

/** Written where a beat of version 1 would get the schedule wrong: without the input that a function makes, or whatever still runs. */
const DEFINITION_VERSION = 2

const bounds = {
  startAtMs: v.optional(v.number()),
  endAtMs: v.optional(v.number()),
  maxRuns: v.optional(v.number()),
  jitterMs: v.optional(v.number()),
  enabled: v.optional(v.literal(false)),
}

const Rule: v.GenericSchema<unknown, ScheduleRule> = v.variant('kind', [
  v.object({ kind: v.literal('cron'), pattern: v.string(), timezone: v.string(), ...bounds }),
  v.object({ kind: v.literal('every'), everyMs: v.number(), align: v.optional(v.literal('first')), ...bounds }),
  v.object({ kind: v.literal('at'), atMs: v.number(), ...bounds }),
  v.object({ kind: v.literal('rrule'), text: v.string(), timezone: v.string(), ...bounds }),
  v.object({
    kind: v.literal('solar'),
    event: v.string(),
    latitude: v.number(),
    longitude: v.number(),
    offsetMs: v.optional(v.number()),
    ...bounds,
  }),
  v.object({ kind: v.literal('custom'), version: v.optional(v.number()), ...bounds }),
])

const Definition = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    v: v.picklist([1, DEFINITION_VERSION]),
    rule: Rule,
    task: v.string(),
    input: v.string(),
    inputBy: v.optional(v.literal('function')),
    queue: v.string(),
    priority: v.number(),
    catchUp: v.optional(v.object({ maxAgeMs: v.number(), maxRuns: v.number() })),
    overlap: v.optional(v.picklist(OVERLAPS)),
    pingUrl: v.optional(v.string()),
  }),
)

/** The same text for the same schedule: a broker tells by it whether a schedule has changed. */
export function toDefinition(schedule: Schedule): string {
  const { rule, task, input, inputOf, queue, priority, catchUp, overlap, pingUrl } = schedule
  const inputBy = inputOf && 'function'
  const v = inputBy || overlap ? DEFINITION_VERSION : 1
  return JSON.stringify({ v, rule, task, input, inputBy, queue, priority, catchUp, overlap, pingUrl })
}

/** What is declared of a schedule besides its name, as data. */
export type Declared = Omit<Schedule, 'name' | 'next' | 'inputOf'> & { readonly inputBy?: 'function' | undefined }

/** What a definition says; null when this version cannot make sense of it. */
export function readDefinition(definition: string): Declared | null {
  const read = v.safeParse(Definition, definition)
  return read.success ? read.output : null
}

type Stored = Pick<StoredSchedule, 'name' | 'definition'> & Partial<Pick<StoredSchedule, 'dueAtMs'>>

/**
 * The schedule that a broker has stored; null when this version cannot make sense of it. What is code of the app's own, or only the
 * apps that use it carry, is found among the schedules that the app declares: some rules, and functions that make the input.
 */
export function fromDefinition(stored: Stored, declared: readonly Schedule[] = []): Schedule | null {
  const read = readDefinition(stored.definition)
  if (!read) return null
  const own = isAppsRule(read.rule) || read.inputBy ? byName(declared).get(stored.name) : undefined
  const next = nextOf(stored, read.rule, own)
  if (read.inputBy && !own?.inputOf) return null
  return (
    next && {
      name: stored.name,
      task: read.task,
      input: read.input,
      inputOf: read.inputBy && own?.inputOf,
      queue: read.queue,
      priority: read.priority,
      rule: read.rule,
      catchUp: read.catchUp,
      overlap: read.overlap,
      pingUrl: read.pingUrl,
      next,
    }
  )
}

/** When it is due, whoever makes its inputs; null where that cannot be told here. */
export function nextFrom(stored: Stored, declared: readonly Schedule[] = []): Schedule['next'] | null {
  const read = readDefinition(stored.definition)
  return read && nextOf(stored, read.rule, byName(declared).get(stored.name))
}

/** Null for a rule that was valid where it was declared, but is not here: a zone that this runtime does not have. */
function nextOf(stored: Stored, rule: ScheduleRule, own: Schedule | undefined): Schedule['next'] | null {
  const { name } = stored
  try {
    const next = kindNext(stored, rule)
    if (next) return within(name, rule, next)
    return own && isSameRule(own.rule, rule) ? own.next : null
  } catch (error) {
    if (isTqError(error, 'InvalidOption')) return null
    throw error
  }
}

const known = new WeakMap<readonly Schedule[], ReadonlyMap<string, Schedule>>()

function byName(declared: readonly Schedule[]): ReadonlyMap<string, Schedule> {
  const found = known.get(declared) ?? new Map(declared.map((schedule) => [schedule.name, schedule]))
  known.set(declared, found)
  return found
}

/** Null for a rule whose code is the app's to bring. */
function kindNext({ name, dueAtMs }: Stored, rule: ScheduleRule): Schedule['next'] | null {
  if (rule.kind === 'cron') return cronNext(name, rule.pattern, rule.timezone)
  if (rule.kind === 'at') return atNext(rule.atMs)
  if (rule.kind === 'every') return everyNext(name, rule, dueAtMs ? dueAtMs - jitterOf(name, rule) : undefined)
  return null
}

/** Whether only a process with the app's code can compute it. */
export function isAppsRule({ kind }: ScheduleRule): boolean {
  return kind !== 'cron' && kind !== 'every' && kind !== 'at'
}

/** Fields are in the order of their declaration, also when they come from a broker. */
export function isSameRule(a: ScheduleRule, b: ScheduleRule): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
