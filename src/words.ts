/**
 * The words of tq. One word per concept, everywhere: code, CLI, REST, docs.
 *
 * - task: a named unit of work: input schema, handler, policy. Defined once with `defineTask`
 * - job: one enqueued call of a task: id, input, state, attempts, result
 * - tag: a short name that a job carries so that it can be found by it
 * - transition: a job's change of state, as a broker that keeps events tells of it
 * - queue: a named line of jobs that workers pull from
 * - broker: where jobs live; the contract, and an implementation of it
 * - producer: whoever enqueues jobs: the client library, the REST API, the beat
 * - worker: a process or an invocation that claims jobs and runs them
 * - lease: a worker's time-limited right to run a job; fenced by its epoch
 * - lane: one of a worker's lines to the broker: its own seq, one exchange in flight
 * - exchange: the one call a worker makes to the broker
 * - beat: the loop or invocation that fires schedules
 * - schedule: a named rule of when to enqueue a job of a task; one due time of it is a tick
 * - blob: an input or a result that is too large for the broker, kept elsewhere; the job carries a reference to it
 * - webhook: a path at which a sender's signed deliveries are verified and become jobs
 * - callback: a URL that is told, by a signed request, how a job has ended; a job of its own sends it
 * - scope: what a caller with a token may do over REST
 * - rights: what a caller with a token may do on the gateway
 * - rate limit: how many calls a token or an address may make in a window of time
 * - idempotency key: what a caller names a request by, so that sent again it does nothing more
 * - link: a signed address that enqueues jobs of one task, or reads one job, until it expires
 * - app: the set of tasks, schedules and webhooks that a project defines with `defineApp`
 *
 * @module
 */

/** Every state a job can be in. Each is a place: a job is in exactly one. */
export const JOB_STATES = [
  'scheduled', // due later
  'queued', // ready to be claimed
  'blocked', // waits for a limit, or for a job before it to finish
  'active', // a worker holds its lease
  'retrying', // failed or lost, due again later
  'succeeded',
  'failed', // attempts used up, or failed for good; kept for replay
  'cancelled',
  'expired',
] as const

export type JobState = (typeof JOB_STATES)[number]

/** States in which a job is done: nothing will run it again unless somebody replays it. */
export const FINISHED_STATES = ['succeeded', 'failed', 'cancelled', 'expired'] as const

export type FinishedState = (typeof FINISHED_STATES)[number]

const finished: ReadonlySet<JobState> = new Set(FINISHED_STATES)

export function isFinished(state: JobState): state is FinishedState {
  return finished.has(state)
}

/** What a queue or a job may be called: no control characters and no halves of characters, which stores do not keep as they are. */
export const NAME = /^[^\p{Cc}\p{Cs}]{1,200}$/u
export const NAME_FORM = '1 to 200 characters, none of them a control character'

/** What a tag may be. Without commas, which stand between tags. */
export const TAG = /^[^\p{Cc}\p{Cs},]{1,50}$/u
export const TAG_FORM = '1 to 50 characters, none of them a comma or a control character'
/** The most tags of one job. */
export const MAX_TAGS = 8

/** The queue of a job that names none. */
export const DEFAULT_QUEUE = 'default'
