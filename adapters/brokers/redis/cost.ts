/**
 * What tq costs on a Redis that bills by the command: the most that each step takes, and what that comes to in a month.
 *
 * `tests/budget` counts each step on a real server and fails when it takes more than is said here.
 *
 * @module
 */

/** The most commands that Redis executes for each step, those inside scripts included. */
export const STEP_COMMANDS = {
  /** One job, or up to 1,000 in one call to one queue. */
  enqueueOne: 3,
  enqueueMany: 4,
  /** More where a waiting lane is named, as it is whenever workers are idle. */
  nameLane: 2,
  /** An exchange that settles and claims, up to 100 jobs on one queue, results kept, the sweep included. */
  exchange: 14,
  /** More for every further queue that a worker serves, in each of its exchanges. */
  furtherQueue: 5,
  /** An exchange that finds nothing and registers as waiting. */
  waitingExchange: 8,
  /** One job on an idle system, from its enqueue to its kept result. */
  jobAlone: 27,
  /** Reading jobs that have finished, however many in one call. */
  get: 1,
  /** More for each step that changes a job, where events are kept, however many it changes. */
  keepEvents: 1,
  /** A look at what has become of jobs, for all who watch. */
  readEvents: 1,
  idleWorkerMinute: 3,
  /** With its mark that it is there, and its streams. One more without hints. */
  idleBeatMinute: 2,
  /** More where schedules change: the hint. Each beat of the app then looks once more. */
  hintBeats: 1,
  /** One due time of a schedule: the beat's look, and the job it enqueues. */
  tick: 13,
  /** A pass that fires up to 1,000 due times of schedules at once into one queue, with its look and its mark. */
  tickMany: 18,
  /** More for a pass that looks ahead, for each 1,000 due times. */
  lookAhead: 6,
  /** A call that is counted against one rate limit, and more for each further one. */
  countCall: 4,
  furtherLimit: 1,
  /** A cron trigger that finds nothing: the beat's look and a drain. Every third one of a minute leaves a mark: one more. */
  idleCron: 11,
  /** More for the first trigger of an instance, which deploys the app's schedules and leaves a mark. */
  firstCron: 10,
} as const

export interface Workload {
  readonly jobsPerMonth: number
  /** How fast the jobs come while they come. */
  readonly jobsPerS: number
  /** How many jobs one call enqueues. Default 1. */
  readonly batch?: number
  readonly workers: number
  /** Default 10 each. */
  readonly concurrency?: number
  /** Default 2 each. */
  readonly lanes?: number
  /** How many queues each worker serves. Default 1. */
  readonly queues?: number
  /** Between a worker and Redis. Default 20. */
  readonly roundTripMs?: number
  readonly schedules?: number
  /** Between two due times of each schedule. Default 60,000. */
  readonly scheduleMs?: number
  /** How often each job's result is read. Default 0. */
  readonly readsPerJob?: number
}

export interface CostStep {
  readonly step: string
  readonly times: number
  readonly commandsEach: number
  readonly commands: number
}

export const MONTH_S = 30 * 86_400
const MONTH_MINUTES = MONTH_S / 60
/** As many jobs as these steps were counted with. */
const MAX_CALL_JOBS = 1_000
const MAX_EXCHANGE_JOBS = 100
const MANY = STEP_COMMANDS.exchange
/** One of the two exchanges of a job that comes alone. */
const ALONE = (STEP_COMMANDS.jobAlone - STEP_COMMANDS.enqueueOne - STEP_COMMANDS.nameLane) / 2

/** What the steps of a month's work cost at most; steps that never happen are left out. */
export function monthlyCost(workload: Workload): readonly CostStep[] {
  const { jobsPerMonth, batch = 1, workers, schedules = 0, scheduleMs = 60_000, readsPerJob = 0 } = workload
  const calls = Math.ceil(jobsPerMonth / batch)
  const store = batch === 1 ? STEP_COMMANDS.enqueueOne : STEP_COMMANDS.enqueueMany * Math.ceil(batch / MAX_CALL_JOBS)
  const ticks = schedules === 0 ? 0 : Math.ceil((schedules * MONTH_S * 1_000) / scheduleMs)
  return [
    step('enqueue', calls, store + STEP_COMMANDS.nameLane),
    ...exchanges(workload, ticks),
    step('read results', Math.ceil(jobsPerMonth * readsPerJob), STEP_COMMANDS.get),
    step('ticks', ticks, STEP_COMMANDS.tick),
    step('idle minutes of workers', workers * MONTH_MINUTES, STEP_COMMANDS.idleWorkerMinute),
    step('idle minutes of the beat', schedules > 0 ? MONTH_MINUTES : 0, STEP_COMMANDS.idleBeatMinute),
  ].filter(({ times }) => times > 0)
}

/**
 * A job takes part in two exchanges, one that claims it and one that settles it, and shares them with its batch. However fast
 * jobs come, there are no more exchanges than round trips: a lane has one in flight.
 */
function exchanges(workload: Workload, ticks: number): CostStep[] {
  const { jobsPerMonth, jobsPerS, batch = 1, workers, concurrency = 10, lanes = 2, queues = 1 } = workload
  const { roundTripMs = 20 } = workload
  const further = (queues - 1) * STEP_COMMANDS.furtherQueue
  const share = Math.min(batch, concurrency, MAX_EXCHANGE_JOBS)
  const batched = step('exchanges', 2 * Math.ceil(jobsPerMonth / share), (share === 1 ? ALONE : MANY) + further)
  const ticked = step('exchanges for ticks', 2 * ticks, ALONE + further)
  const inFlight = Math.ceil((jobsPerMonth / jobsPerS) * (1_000 / roundTripMs) * workers * lanes)
  const bounded = step('exchanges, at every round trip', inFlight, MANY + further)
  return bounded.commands < batched.commands ? [bounded, ticked] : [batched, ticked]
}

function step(name: string, times: number, commandsEach: number): CostStep {
  return { step: name, times, commandsEach, commands: times * commandsEach }
}
