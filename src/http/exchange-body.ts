/**
 * An exchange as workers send it, checked once, here: the contract's request with defaults, for whoever has no SDK.
 *
 * @module
 */
import * as v from 'valibot'
import {
  type ExchangeRequest,
  type Extension,
  type LeaseRef,
  MAX_BATCH_JOBS,
  type Settlement,
  type WorkerPresence,
} from '../broker.ts'
import type { TaskCallbacks } from '../callbacks.ts'
import { type JobError, toJobError, toJson } from '../job.ts'
import { KEEP_FAILED_MS, KEEP_RESULT_MS, TASK_NAME } from '../task.ts'
import { DEFAULT_QUEUE, NAME, NAME_FORM } from '../words.ts'
import {
  callbackFields,
  jsonText,
  line,
  list,
  MAX_ID_CHARS,
  notCallback,
  objectOf,
  queueName,
  whole,
} from './fields.ts'
import { ms } from './request.ts'

const MAX_QUEUES = 100
const MAX_TASKS_TOLD = 1_000
const TASKS_TOLD = `expected at most ${MAX_TASKS_TOLD} tasks`
const LEASE_MS = 30_000
const QUEUES = `expected a list of 1 to ${MAX_QUEUES} queues`
const LANE = `expected the lane's name, of ${NAME_FORM}`
const SEQ = 'expected a whole number, 1 or more, that rises by 1 with every exchange of the lane'
const EPOCH = "expected the claimed job's epoch"
const COUNT = `expected a whole number from 0 to ${MAX_BATCH_JOBS}`
const WHOLE = 'expected a whole number, 0 or more'
const LEASE = 'expected milliseconds from 1000 to 86400000'
const FLAG = 'expected true or false'
const TASK = "expected a task's name"
const PROGRESS_BYTES = 4_096
const PROGRESS = `expected progress of at most ${PROGRESS_BYTES} characters as JSON`

export interface ErrorBody {
  readonly name?: string | undefined
  readonly message: string
  readonly stack?: string | undefined
}

/** What a lease has come to. A `result` left out is none at all, as of a handler that returns nothing. */
export type SettlementBody = LeaseRef & { readonly progress?: unknown } & (
    | { readonly kind: 'succeeded'; readonly result?: unknown; readonly keepMs?: number | undefined }
    | { readonly kind: 'retry'; readonly delayMs?: number | undefined; readonly error: ErrorBody }
    | { readonly kind: 'failed'; readonly error: ErrorBody; readonly keepMs?: number | undefined }
    | { readonly kind: 'cancelled'; readonly keepMs?: number | undefined }
    | { readonly kind: 'released'; readonly delayMs?: number | undefined }
  )

/** An exchange as the API takes it: with `lane` and `seq` alone it asks for nothing. */
export interface ExchangeBody {
  readonly lane: string
  readonly seq: number
  /** Default `default`. */
  readonly queues?: readonly string[] | undefined
  /** Default 0. */
  readonly want?: number | undefined
  readonly ahead?: number | undefined
  /** Default true. */
  readonly takeLost?: boolean | undefined
  /** Default 30,000. */
  readonly leaseMs?: number | undefined
  readonly settle?: readonly SettlementBody[] | undefined
  readonly extend?: readonly (LeaseRef & { readonly progress?: unknown })[] | undefined
  readonly presence?: WorkerPresence | undefined
  /** Who is told how jobs of the worker's tasks end, by the task's name. */
  readonly callbacks?: TaskCallbacks | undefined
  /** Whether inputs, results and progress are JSON texts as the broker keeps them, and not values. Default false. */
  readonly texts?: boolean | undefined
}

/** An exchange as the broker takes it. Nobody waits for a hint over HTTP, so nobody may take one from those who do. */
export interface AskedExchange {
  readonly request: ExchangeRequest
  readonly texts: boolean
}

// A delay that is computed is seldom whole.
const wholeMs = v.pipe(ms, v.transform(Math.round))

const queues = v.pipe(list(queueName, MAX_QUEUES, QUEUES), v.minLength(1, QUEUES))
const ref = { id: line(MAX_ID_CHARS, 1), epoch: whole(EPOCH) }
const taskName = notCallback(v.pipe(v.string(TASK), v.regex(TASK_NAME, TASK)))
const words = v.string('expected a text')
const errorFields = { name: v.optional(words, 'Error'), message: words, stack: v.optional(words) }
/** Cut as a worker of ours would cut it: no error outgrows its job. */
const error = v.pipe(
  objectOf(errorFields),
  v.transform(({ name, message, stack }): JobError => toJobError({ name, message, ...(stack ? { stack } : {}) })),
)

const presence: v.GenericSchema<WorkerPresence> = objectOf({
  worker: line(200),
  queues,
  concurrency: whole(WHOLE),
  running: whole(WHOLE),
  runtime: line(200),
  startedAtMs: ms,
  commands: v.exactOptional(whole(WHOLE)),
  p95Ms: v.exactOptional(v.pipe(v.record(line(200), ms), v.maxEntries(MAX_TASKS_TOLD, TASKS_TOLD))),
})

const callbacks: v.GenericSchema<TaskCallbacks> = v.pipe(
  v.record(taskName, objectOf(callbackFields)),
  v.maxEntries(MAX_TASKS_TOLD, TASKS_TOLD),
)

const ofValue = v.pipe(
  v.unknown(),
  v.transform((value) => toJson('a value', value)),
)

/** With JSON as values, or as the texts that the broker keeps. */
function schemaOf(json: v.GenericSchema<unknown, string>): v.GenericSchema<ExchangeBody, AskedExchange> {
  const progress = v.exactOptional(v.pipe(json, v.maxLength(PROGRESS_BYTES, PROGRESS)))
  const delayMs = v.optional(wholeMs, 0)
  const settled = <Kind extends string, Fields extends v.ObjectEntries>(kind: Kind, fields: Fields) =>
    objectOf({ kind: v.literal(kind), ...ref, progress, ...fields })
  const settlement: v.GenericSchema<SettlementBody, Settlement> = v.variant(
    'kind',
    [
      v.pipe(
        settled('succeeded', { result: v.optional(json), keepMs: v.optional(wholeMs, KEEP_RESULT_MS) }),
        v.transform(({ result = '', ...rest }) => ({ ...rest, result })),
      ),
      settled('retry', { delayMs, error }),
      settled('failed', { error, keepMs: v.optional(wholeMs, KEEP_FAILED_MS) }),
      settled('cancelled', { keepMs: v.optional(wholeMs, KEEP_RESULT_MS) }),
      settled('released', { delayMs }),
    ],
    'expected a kind of succeeded, retry, failed, cancelled or released',
  )
  const extension: v.GenericSchema<LeaseRef & { readonly progress?: unknown }, Extension> = objectOf({
    ...ref,
    progress,
  })
  return v.pipe(
    objectOf({
      lane: v.pipe(v.string(LANE), v.regex(NAME, LANE)),
      seq: whole(SEQ, 1),
      queues: v.optional(queues, [DEFAULT_QUEUE]),
      want: v.optional(whole(COUNT, 0, MAX_BATCH_JOBS), 0),
      ahead: v.exactOptional(whole(COUNT, 0, MAX_BATCH_JOBS)),
      takeLost: v.optional(v.boolean(FLAG), true),
      leaseMs: v.optional(whole(LEASE, 1_000, 86_400_000), LEASE_MS),
      settle: v.optional(list(settlement, MAX_BATCH_JOBS), []),
      extend: v.optional(list(extension, MAX_BATCH_JOBS), []),
      presence: v.exactOptional(presence),
      callbacks: v.exactOptional(callbacks),
      texts: v.optional(v.boolean(FLAG), false),
    }),
    v.transform(({ texts, ...request }) => ({ request: { ...request, waitMs: 0 }, texts })),
  )
}

const ofValues = schemaOf(ofValue)
const ofTexts = schemaOf(jsonText)

export const exchangeBody: v.GenericSchema<ExchangeBody, AskedExchange> = v.lazy((body) =>
  (body as { texts?: unknown } | null)?.texts === true ? ofTexts : ofValues,
)
