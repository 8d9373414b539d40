/**
 * Which jobs a caller means: a filter in the query of a list, or in the body of a change of many.
 *
 * @module
 */
import * as v from 'valibot'
import { type JobFilter, MAX_BATCH_JOBS } from '../broker.ts'
import { JOB_STATES, type JobState } from '../words.ts'
import { line, MAX_ID_CHARS, objectOf, whole } from './fields.ts'
import { type Checked, checkBody, checkQuery, fromText, ms, name, tag } from './request.ts'

/** What a list is asked for, as text. */
export interface FilterQuery {
  /** States, separated by commas. */
  readonly state?: string | undefined
  readonly queue?: string | undefined
  readonly task?: string | undefined
  readonly tag?: string | undefined
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

/** Which jobs a change is of, in a body. */
export interface FilterBody {
  readonly states?: readonly JobState[] | undefined
  readonly queue?: string | undefined
  readonly task?: string | undefined
  readonly tag?: string | undefined
  readonly createdFromMs?: number | undefined
  readonly createdToMs?: number | undefined
  readonly finishedFromMs?: number | undefined
  readonly finishedToMs?: number | undefined
}

/** A change of many jobs: of those named, or of a page of those that a filter fits. */
export type JobsChange =
  | { readonly ids: readonly string[]; readonly dryRun?: boolean | undefined }
  | {
      /** Without `states` it fits those that the change is usually of. */
      readonly filter: FilterBody
      /** The most to change in this call, from 1 to 1,000; default 1,000. */
      readonly limit?: number | undefined
      readonly cursor?: string | undefined
      /** Says what would become of them, and changes nothing. */
      readonly dryRun?: boolean | undefined
    }

/** The same, checked. */
export interface JobsMeant {
  readonly ids: readonly string[] | undefined
  readonly filter: JobFilter
  readonly dryRun: boolean
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
const limit = whole(LIMIT, 1, 1_000)
const time = v.optional(fromText(ms, MOMENT))
const cursor = v.pipe(v.string(CURSOR), v.maxLength(8_000, CURSOR))

export const filterQuery: v.GenericSchema<FilterQuery, JobFilter> = v.pipe(
  objectOf({
    state: v.optional(states),
    queue: v.optional(name),
    task: v.optional(name),
    tag: v.optional(tag),
    createdFromMs: time,
    createdToMs: time,
    finishedFromMs: time,
    finishedToMs: time,
    limit: v.optional(fromText(limit, LIMIT)),
    cursor: v.optional(cursor),
  }),
  v.transform(({ state: given, ...filter }) => present({ states: given, ...filter })),
)

export const checkFilter: Checked<{ in: { query: FilterQuery }; out: { query: JobFilter } }> = checkQuery(filterQuery)

const BOTH = 'expected either ids, or a filter with its limit and cursor'
const IDS = `expected a list of 1 to ${MAX_BATCH_JOBS} ids`
const DRY_RUN = 'expected true or false'

const filterBody = objectOf({
  states: v.optional(v.pipe(v.array(state, STATE), v.minLength(1, STATE), v.maxLength(JOB_STATES.length, STATE))),
  queue: v.optional(name),
  task: v.optional(name),
  tag: v.optional(tag),
  createdFromMs: v.optional(ms),
  createdToMs: v.optional(ms),
  finishedFromMs: v.optional(ms),
  finishedToMs: v.optional(ms),
})

const change = v.pipe(
  objectOf({
    ids: v.optional(
      v.pipe(
        v.array(v.unknown(), IDS),
        v.minLength(1, IDS),
        v.maxLength(MAX_BATCH_JOBS, IDS),
        v.array(line(MAX_ID_CHARS, 1)),
      ),
    ),
    filter: v.optional(filterBody),
    limit: v.optional(limit),
    cursor: v.optional(cursor),
    dryRun: v.optional(v.boolean(DRY_RUN)),
  }),
  v.check(
    ({ ids, filter, limit: most, cursor: from }) => (ids ? !filter && !most && !from : filter !== undefined),
    BOTH,
  ),
  v.transform(
    ({ ids, filter = {}, dryRun = false, ...page }): JobsMeant => ({
      ids: ids && [...new Set(ids)],
      dryRun,
      filter: present({ ...filter, ...page }),
    }),
  ),
)

export const jobsChange = change as v.GenericSchema<JobsChange, JobsMeant>
export const checkChange: Checked<{ in: { json: JobsChange }; out: { json: JobsMeant } }> = checkBody(jobsChange)

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

/** Without what was left out. */
function present<T extends object>(given: T): Present<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Present<T>
}
