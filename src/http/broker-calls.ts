/**
 * What a broker elsewhere may ask of ours: the contract's calls but for the exchange, each with its arguments checked once, here.
 *
 * @module
 */
import * as v from 'valibot'
import {
  type BeatPresence,
  type Broker,
  type DeployMark,
  type JobFilter,
  type LeaseRef,
  MAX_BATCH_JOBS,
  type ScheduleChange,
  type ScheduleQuery,
  type StatsQuery,
  type Tick,
  type TransitionQuery,
} from '../broker.ts'
import { FINGERPRINT, FINGERPRINT_FORM, type Job, type JobTick } from '../job.ts'
import { MAX_RATE_CALLS, MAX_RATE_KEY_CHARS, MAX_RATE_WINDOW_MS, MIN_RATE_WINDOW_MS, type RateLimit } from '../rate.ts'
import { OVERLAPS } from '../schedule.ts'
import { transitionsOf } from '../transitions.ts'
import { JOB_STATES, MAX_TAGS } from '../words.ts'
import {
  callbackFields,
  jsonText,
  line,
  list,
  MAX_ID_CHARS,
  notCallback,
  objectOf,
  queueName,
  text,
  whole,
} from './fields.ts'
import { MAX_MS, tag } from './request.ts'

/** The calls of the contract that are answered with what they take as JSON. A worker's own, the exchange, has a route of its own. */
export type BrokerCall = Exclude<
  keyof Broker,
  'name' | 'local' | 'exchange' | 'peek' | 'wake' | 'check' | 'commandsSpent' | 'close'
>

/** Makes a call that is given its arguments as somebody has sent them. */
export type MakeCall = (broker: Broker) => Promise<unknown>

const MAX_TEXT_CHARS = 4_000_000
const WHOLE = 'expected a whole number, 0 or more'
const NUMBER = `expected a number from -${MAX_MS} to ${MAX_MS}`
const FLAG = 'expected true or false'
const FINGERPRINT_TEXT = `expected ${FINGERPRINT_FORM}`
const TIME = 'expected milliseconds, 0 or more'
const PART = 'expected a text without |'
const SCHEDULE = 'expected the name of a schedule'

const count = whole(WHOLE)
/** Of which the broker itself says what it may be. */
const limited = v.pipe(v.number(NUMBER), v.minValue(-MAX_MS, NUMBER), v.maxValue(MAX_MS, NUMBER))
/** Rounded: a store takes whole milliseconds, a clock may tell more. */
const number = v.pipe(
  limited,
  v.transform((value) => Math.round(value)),
)
/** A moment, or how long from now. */
const time = v.pipe(number, v.minValue(0, TIME))
const flag = v.boolean(FLAG)
const word = line(1_000)
const id = line(MAX_ID_CHARS, 1)
/** Stands between others on a line of a store. */
const part = v.pipe(word, v.regex(/^[^|]*$/, PART))
/** What an app has deployed may stand among its schedules, behind an `@`. */
const scheduleName = v.pipe(word, v.regex(/^[^@]/, SCHEDULE))
const many = <In, Out>(item: v.GenericSchema<In, Out>) => list(item, MAX_BATCH_JOBS)

const jobTick: v.GenericSchema<JobTick> = objectOf({ schedule: word, dueAtMs: number, lateMs: number, catchUp: flag })
const job: v.GenericSchema<Job> = objectOf({
  v: v.exactOptional(count),
  id,
  task: notCallback(part),
  queue: queueName,
  input: jsonText,
  priority: number,
  createdAtMs: time,
  delayMs: v.exactOptional(time),
  dueAtMs: v.exactOptional(time),
  tick: v.exactOptional(jobTick),
  tags: v.exactOptional(list(tag, MAX_TAGS)),
  fingerprint: v.exactOptional(v.pipe(v.string(FINGERPRINT_TEXT), v.regex(FINGERPRINT, FINGERPRINT_TEXT))),
  ...callbackFields,
})
const tick: v.GenericSchema<Tick> = objectOf({
  schedule: scheduleName,
  revision: count,
  dueAtMs: v.nullable(time),
  nextDueAtMs: v.nullable(time),
  job: v.nullable(job),
  overlap: v.exactOptional(v.picklist(OVERLAPS, 'expected a rule of overlap')),
})
const ref: v.GenericSchema<LeaseRef> = objectOf({ id, epoch: count })
const filter: v.GenericSchema<JobFilter> = objectOf({
  states: v.exactOptional(many(v.picklist(JOB_STATES, 'expected a state'))),
  queue: v.exactOptional(queueName),
  task: v.exactOptional(word),
  tag: v.exactOptional(tag),
  createdFromMs: v.exactOptional(number),
  createdToMs: v.exactOptional(number),
  finishedFromMs: v.exactOptional(number),
  finishedToMs: v.exactOptional(number),
  limit: v.exactOptional(limited),
  cursor: v.exactOptional(text(10_000)),
})
const statsQuery: v.GenericSchema<StatsQuery> = objectOf({ queues: v.exactOptional(many(queueName)) })
const beat: v.GenericSchema<BeatPresence> = objectOf({ beat: word, app: word, runtime: word, startedAtMs: number })
const scheduleQuery: v.GenericSchema<ScheduleQuery> = objectOf({
  due: v.exactOptional(flag),
  aheadMs: v.exactOptional(number),
  app: v.exactOptional(word),
  names: v.exactOptional(many(word)),
  limit: v.exactOptional(limited),
  cursor: v.exactOptional(text(10_000)),
  presence: v.exactOptional(beat),
})
const change: v.GenericSchema<ScheduleChange> = v.variant(
  'kind',
  [
    objectOf({
      kind: v.literal('set'),
      name: scheduleName,
      app: word,
      definition: text(MAX_TEXT_CHARS),
      dueAtMs: v.nullable(time),
      incarnation: part,
      stampMs: time,
      revision: v.exactOptional(count),
    }),
    objectOf({
      kind: v.literal('remove'),
      name: scheduleName,
      app: word,
      stampMs: time,
      revision: v.exactOptional(count),
    }),
  ],
  'expected a kind of set or remove',
)
const transitionQuery: v.GenericSchema<TransitionQuery> = objectOf({
  after: v.exactOptional(word),
  limit: v.exactOptional(limited),
})
const mark: v.GenericSchema<DeployMark> = objectOf({ stampMs: time, digest: part })
const rateLimit: v.GenericSchema<RateLimit> = objectOf({
  key: text(MAX_RATE_KEY_CHARS, 1),
  calls: whole(`expected a whole number from 1 to ${MAX_RATE_CALLS}`, 1, MAX_RATE_CALLS),
  windowMs: whole(
    `expected milliseconds from ${MIN_RATE_WINDOW_MS} to ${MAX_RATE_WINDOW_MS}`,
    MIN_RATE_WINDOW_MS,
    MAX_RATE_WINDOW_MS,
  ),
})
const limit = v.optional(count)

type ArgumentsOf<Schemas extends v.TupleItems> = { -readonly [At in keyof Schemas]: v.InferOutput<Schemas[At]> }

/** The schema of a call's arguments, and the call that they make. */
function of<const Schemas extends v.TupleItems>(
  schemas: Schemas,
  call: (broker: Broker, ...args: ArgumentsOf<Schemas>) => Promise<unknown>,
): v.GenericSchema<unknown, MakeCall> {
  const tuple: v.GenericSchema<unknown, unknown[]> = v.strictTuple(
    schemas,
    `expected a list of ${schemas.length} arguments`,
  )
  return v.pipe(
    tuple,
    v.transform((args) => (broker: Broker) => call(broker, ...(args as ArgumentsOf<Schemas>))),
  )
}

const ids = many(id)
const refs = many(ref)

/** What each call takes. A query or a limit that is left out is undefined. */
export const BROKER_CALLS: Readonly<Record<BrokerCall, v.GenericSchema<unknown, MakeCall>>> = {
  enqueue: of([many(job)], (broker, jobs) => broker.enqueue(jobs)),
  fire: of([many(tick)], (broker, ticks) => broker.fire(ticks)),
  get: of([ids], (broker, wanted) => broker.get(wanted)),
  list: of([filter], (broker, wanted) => broker.list(wanted)),
  stats: of([v.optional(statsQuery)], (broker, query) => broker.stats(query)),
  workers: of([], (broker) => broker.workers()),
  cancel: of([ids], (broker, wanted) => broker.cancel(wanted)),
  retry: of([refs], (broker, wanted) => broker.retry(wanted)),
  promote: of([refs], (broker, wanted) => broker.promote(wanted)),
  remove: of([ids], (broker, wanted) => broker.remove(wanted)),
  setPaused: of([queueName, flag, count], (broker, ...args) => broker.setPaused(...args)),
  purge: of([queueName, count, limit], (broker, ...args) => broker.purge(...args)),
  schedules: of([v.optional(scheduleQuery)], (broker, query) => broker.schedules(query)),
  setSchedules: of([many(change)], (broker, changes) => broker.setSchedules(changes)),
  deployed: of([word], (broker, app) => broker.deployed(app)),
  setDeployed: of([word, mark, v.nullable(mark)], (broker, ...args) => broker.setDeployed(...args)),
  beats: of([], (broker) => broker.beats()),
  runs: of([word], (broker, schedule) => broker.runs(schedule)),
  countCall: of([list(rateLimit, 10)], (broker, limits) => broker.countCall(limits)),
  transitions: of([v.optional(transitionQuery)], async (broker, query) => transitionsOf(broker)(query)),
  prune: of([limit], (broker, most) => broker.prune(most)),
}
