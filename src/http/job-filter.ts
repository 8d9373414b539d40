/**
 * Which jobs a caller means: a filter in the query of a list, or in the body of a change of many.
 *
 * @module
 */
import * as v from 'valibot'
import type { JobFilter } from '../broker.ts'
import { JOB_STATES } from '../words.ts'
import { type Checked, checkQuery, form, fromText, ms, name } from './request.ts'

/** What a list is asked for, as text. */
export interface FilterQuery {
  /** States, separated by commas. */
  readonly state?: string | undefined
  readonly queue?: string | undefined
  readonly task?: string | undefined
  /** Milliseconds since the epoch, by the producer's clock: from this moment on. */
  readonly createdFromMs?: string | undefined
  /** Before this one. */
  readonly createdToMs?: string | undefined
  /** By the broker's clock: jobs that have finished alone. */
  readonly finishedFromMs?: string | undefined
  readonly finishedToMs?: string | undefined
  /** From 1 to 1,000; default 50. */
  readonly limit?: string | undefined
  readonly cursor?: string | undefined
}

const STATE = `expected states of ${JOB_STATES.join(', ')}`
const LIMIT = 'expected a whole number from 1 to 1000'
const MOMENT = 'expected a moment in milliseconds since the epoch'
const CURSOR = 'expected the cursor of an earlier page'

const state = v.picklist(JOB_STATES, STATE)
const states = v.pipe(
  v.string(STATE),
  v.maxLength(200, STATE),
  v.transform((text) => text.split(',')),
  v.array(state),
)
const limit = v.pipe(v.number(LIMIT), v.integer(LIMIT), v.minValue(1, LIMIT), v.maxValue(1_000, LIMIT))
const time = v.optional(fromText(ms, MOMENT))
const cursor = v.pipe(v.string(CURSOR), v.maxLength(2_000, CURSOR))

const filterQuery: v.GenericSchema<FilterQuery, JobFilter> = v.pipe(
  v.strictObject(
    {
      state: v.optional(states),
      queue: v.optional(name),
      task: v.optional(name),
      createdFromMs: time,
      createdToMs: time,
      finishedFromMs: time,
      finishedToMs: time,
      limit: v.optional(fromText(limit, LIMIT)),
      cursor: v.optional(cursor),
    },
    form('state, queue, task, createdFromMs, createdToMs, finishedFromMs, finishedToMs, limit, cursor'),
  ),
  v.transform(({ state: given, ...filter }) => present({ states: given, ...filter })),
)

export const checkFilter: Checked<{ in: { query: FilterQuery }; out: { query: JobFilter } }> = checkQuery(filterQuery)

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without what was left out. */
function present<T extends object>(given: T): Present<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Present<T>
}
