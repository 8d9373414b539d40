/**
 * The broker contract: where jobs live.
 *
 * Each method is one atomic step and takes batches (at most `MAX_BATCH_JOBS` jobs and `MAX_BATCH_BYTES` a call). Every
 * mutation but `countCall` may be sent again, at once or late, and changes nothing the second time: over HTTP a call may have been
 * executed although its reply was lost. All times in replies are the broker's; callers compare them with the reply's
 * `nowMs`, never with a clock of their own.
 *
 * In the very step in which a job with a callback succeeds, fails or is dropped from a full queue, a job of `CALLBACK_TASK` stands in its
 * queue: `{id}:onSuccess:{epoch}` or `{id}:onFailure:{epoch}`, whose input is the URL.
 *
 * @module
 */
import type { TaskCallbacks } from './callbacks.ts'
import type { Job, JobError, JobRecord, JobTick } from './job.ts'
import type { RateLeft, RateLimit } from './rate.ts'
import type { Overlap } from './schedule.ts'
import type { Spent } from './spent.ts'
import type { JobState } from './words.ts'

export const MAX_BATCH_JOBS = 1_000
export const MAX_BATCH_BYTES = 4_000_000
/** How often a job may lose its lease before it fails: it kept killing its worker. */
export const MAX_LOST_LEASES = 5
/** How long a finished, cancelled or removed job leaves at least a stub, so that a late copy of its enqueue creates nothing. */
export const STUB_MS = 3_600_000
/** By what name the beats of an app listen for hints: each of them is hinted when a schedule of the app has changed. */
export const beatsOf = (app: string): string => `beat.${toHinted(app)}`
/** By what name workers listen for hints of running jobs that are to be cancelled. */
export const CANCELS = 'cancels'
/** By what name readers of transitions listen for hints; not every transition brings one. */
export const EVENTS = 'events'
/** An id as a hint carries it. */
export const toHinted = (id: string): string => id.replaceAll(' ', '_')
/** How far ahead of its due time a tick may be fired. */
export const MAX_AHEAD_MS = 900_000
/** How many of a schedule's last ticks are kept. */
export const RUNS_KEPT = 10
/** How long a removed schedule refuses late copies of what was stored of it. */
export const REMOVED_MS = 86_400_000
/** The most jobs of one schedule that wait for those before them. */
export const MAX_BLOCKED = 1_000

export interface Broker {
  /** Names the implementation in events and errors. */
  readonly name: string
  /** True where a call is no round trip: a worker's second lane would gain nothing. */
  readonly local?: boolean
  /** Stores jobs and answers one outcome per job, in order. An id that is taken creates nothing. */
  enqueue(jobs: readonly Job[], options?: EnqueueStepOptions): Promise<readonly EnqueueOutcome[]>
  /**
   * A worker's whole protocol: settles what has finished, extends leases, claims jobs. In one step and in this order:
   * replay check, fence and settle, due and expired of the served queues, limits, claim.
   * Throws `StaleExchange` for a seq below the lane's last.
   */
  exchange(request: ExchangeRequest): Promise<ExchangeReply>
  /**
   * A waiting worker's look at its queues, far cheaper than an exchange that would find nothing. It changes no job and may be
   * stale or too hopeful: what it answers says when an exchange is worth it. Absent where an exchange costs no more.
   */
  peek?(request: PeekRequest): Promise<Peek>
  /**
   * Fires ticks in order: compares and sets each schedule's (revision, due) and enqueues the tick's job in the same step.
   * One without a job passes its due time over, and is fired otherwise alike.
   *
   * A tick whose job has a `dueAtMs` that is yet to come is looked ahead. It counts as fired, and the broker notes it until that
   * time, so that a change of the schedule takes it back.
   *
   * A tick with an `overlap` looks at the jobs of its schedule's earlier ones with such a rule. A job that has to wait for them is
   * `blocked`, and freed in the very step in which the last one before it finishes.
   */
  fire(ticks: readonly Tick[]): Promise<readonly FireOutcome[]>
  /** Reads jobs, null for an unknown id; with `waiter`, names it by a hint once one of the unfinished ones finishes. */
  get(ids: readonly string[], options?: GetOptions): Promise<readonly (JobRecord | null)[]>
  /**
   * Lists jobs a page at a time, newest first as far as the store knows. What a page looks at is bounded: one whose filter fits few jobs is
   * short, and may be empty. Its cursor says whether there is more, and holds while jobs are added, finish and are changed: none that
   * was there all along is left out.
   */
  list(filter: JobFilter): Promise<JobPage>
  /** Counts per queue of the jobs that wait, run or have failed, and the workers that were here lately. */
  stats(query?: StatsQuery): Promise<BrokerStats>
  /** The workers that were here lately: what `stats` tells of them, without counting anything. */
  workers(): Promise<readonly SeenWorker[]>
  /** Cancels jobs: a waiting one at once, an active one by asking its worker, who is hinted and hears of it with its next extension. */
  cancel(ids: readonly string[]): Promise<readonly CancelOutcome[]>
  /** Replays failed and cancelled jobs from their first attempt. Fenced by the epoch that the caller saw, so that a late copy does nothing. */
  retry(refs: readonly LeaseRef[]): Promise<readonly RetryOutcome[]>
  /** Has scheduled and retrying jobs be due now. Fenced by the epoch that the caller saw, which moves. */
  promote(refs: readonly LeaseRef[]): Promise<readonly PromoteOutcome[]>
  /** Removes jobs that are not active, but for their stubs. */
  remove(ids: readonly string[]): Promise<readonly RemoveOutcome[]>
  /** Pauses or resumes a queue, based on the revision that the caller saw (0 for a queue never paused). */
  setPaused(queue: string, paused: boolean, revision: number): Promise<'set' | 'existing' | 'moved'>
  /**
   * Removes what waits in a queue, but for the stubs: up to `limit` jobs (at most and by default `MAX_BATCH_JOBS`). Based on the queue's
   * revision that the caller saw, which moves, so that a late copy removes nothing that came after.
   */
  purge(queue: string, revision: number, limit?: number): Promise<Purged>
  /** Reads schedules: what is due, those of some names, or all, a page at a time. */
  schedules(query?: ScheduleQuery): Promise<SchedulePage>
  /**
   * Stores or removes schedules; a change with an older stamp than the stored one's, or than its app's mark, does nothing. Another
   * definition or a removal takes back, in the same step, what was looked ahead, is not due yet and was never claimed: those jobs are gone, and the
   * schedule stands where it stood before the first of them was fired. Where any was set, the beats of its app are hinted.
   */
  setSchedules(changes: readonly ScheduleChange[]): Promise<readonly ('set' | 'existing' | 'moved')[]>
  /** What was last deployed of an app; null before its first deploy, and where its schedules were lost: it is lost with them. */
  deployed(app: string): Promise<DeployMark | null>
  /**
   * Notes what is deployed, based on the mark that the caller saw: `moved` where it is another by now. From then on changes with an
   * older stamp do nothing.
   */
  setDeployed(app: string, mark: DeployMark, seen: DeployMark | null): Promise<'set' | 'existing' | 'moved'>
  /** The beats that were here lately, and of each app the last one that was, however long ago: the newest first. */
  beats(): Promise<readonly SeenBeat[]>
  /** The last ticks of a schedule that were fired, newest first; none of one that is not known. */
  runs(schedule: string): Promise<readonly ScheduleRun[]>
  /**
   * Counts a call against rate limits, each with a key of its own: against all of them, or, where one does not allow it, against none.
   * Answers how each of them stands, in order. Not to be sent again: each copy counts as a call.
   */
  countCall(limits: readonly RateLimit[]): Promise<readonly RateLeft[]>
  /**
   * Reads what has become of jobs, in the order in which it did; without `after` nothing but where the present is. Each is told once, also
   * where the call that brought it about was sent again. That a job has fallen due, and that its record's time is over, is none. Absent where the
   * broker keeps none of it.
   */
  transitions?(query?: TransitionQuery): Promise<TransitionPage>
  /** Deletes records whose time is over, up to `limit`, and says how many. */
  prune(limit?: number): Promise<number>
  /** Hints that something has changed; absent where the store has no means. Never relied on: a missed hint costs latency, not jobs. */
  readonly wake?: Wake
  /**
   * A look at the store itself, once, by whoever is about to use it for long: answers what is wrong with its settings, one sentence
   * each. Throws `UnusableStore` where it cannot hold jobs. Absent where there is nothing to look at.
   */
  check?(): Promise<readonly string[]>
  /** How many commands this broker has had executed so far; absent where nobody bills them. */
  commandsSpent?(): number
  close(): Promise<void>
}

export interface EnqueueStepOptions {
  /** The caller's own open transaction on the broker's store, where the store has such a thing. */
  readonly within?: unknown
}

/**
 * `created`; `existing`: the same job was there already, or one of that id of which no more than a stub is left; `conflict`:
 * the id is taken by another task or input; `full`: the queue holds as many as it may.
 *
 * A job with a `fingerprint` is the same as another by that alone, also as a stub. Those that share one in a call are stored together or not
 * at all: where one is a conflict all are, else where one is there already they all were, else where one finds its queue full all do.
 */
export type EnqueueOutcome = 'created' | 'existing' | 'conflict' | 'full'

/** A lease or a state of a job as its holder saw it. */
export interface LeaseRef {
  readonly id: string
  /** Moves at every claim, release and replay: what fences a holder that has been overtaken. */
  readonly epoch: number
}

/** What has become of a claimed job. */
export type Settlement = LeaseRef & {
  /** JSON text of the job's last progress, when it has told some since the last extension. */
  readonly progress?: string | undefined
} & (
    | { readonly kind: 'succeeded'; readonly result: string; readonly keepMs: number }
    | { readonly kind: 'retry'; readonly delayMs: number; readonly error: JobError }
    | { readonly kind: 'failed'; readonly error: JobError; readonly keepMs: number }
    | { readonly kind: 'cancelled'; readonly keepMs: number }
    /** Put back, uncounted: shutdown, an unknown task, a drain that has no time for it. */
    | { readonly kind: 'released'; readonly delayMs: number }
  )

export interface Extension extends LeaseRef {
  /** JSON text of the job's latest progress, when it has told some since the last time. */
  readonly progress?: string
}

export interface ExchangeRequest {
  /** `name.incarnation.lane`: its own for every start of a worker. */
  readonly lane: string
  /** From 1; the same again for a resend of the same exchange. */
  readonly seq: number
  /** The queues served, in the order in which they are claimed from. */
  readonly queues: readonly string[]
  /** How many jobs are wanted; 0 claims nothing. */
  readonly want: number
  /**
   * How many of them, the last ones, are claimed ahead: they will not be started at once. One that was claimed so for the first time
   * and whose lease is lost before any extension counts no lost lease: what ended its worker may well be another.
   */
  readonly ahead?: number
  /** Whether one of them may be a job that has lost a lease before: never two at a time in one lane. */
  readonly takeLost: boolean
  readonly leaseMs: number
  readonly settle: readonly Settlement[]
  readonly extend: readonly Extension[]
  /** When fewer jobs were claimed than could be started at once: registers the lane to be named by a hint for so long. 0 does not. */
  readonly waitMs: number
  readonly presence?: WorkerPresence
  /** The callbacks of the worker's tasks: of a job that ends in this exchange and was given none of that name itself. */
  readonly callbacks?: TaskCallbacks
}

export interface ClaimedJob extends LeaseRef {
  readonly v: number
  readonly task: string
  readonly queue: string
  readonly input: string
  /** From 1. */
  readonly attempt: number
  readonly lost: number
  readonly createdAtMs: number
  readonly tick: JobTick | null
  /** Left out where there are none. */
  readonly tags?: readonly string[]
}

export interface ExchangeReply {
  readonly nowMs: number
  readonly jobs: readonly ClaimedJob[]
  /** Settlements and extensions that came too late: the lease is another's or nobody's, nothing was changed. */
  readonly late: readonly string[]
  /** Of the extended jobs, those whose cancellation was asked for. */
  readonly cancelled: readonly string[]
  /**
   * The earliest moment at which something could become claimable in the served queues; null when nothing is in sight. A claim
   * that came back full may say now without having looked.
   */
  readonly nextAtMs: number | null
  /** How many workers were here lately, where the broker gives no hints and has counted: who polls does so the less, the more they are. */
  readonly workers?: number
}

export interface PeekRequest {
  readonly queues: readonly string[]
  readonly presence?: WorkerPresence
}

export interface Peek {
  readonly nowMs: number
  /** As in an exchange's reply; now or earlier where something may be claimable at once. */
  readonly nextAtMs: number | null
}

/** What a worker says of itself now and then, with an exchange it makes anyway. */
export interface WorkerPresence extends Spent {
  readonly worker: string
  readonly queues: readonly string[]
  readonly concurrency: number
  readonly running: number
  readonly runtime: string
  readonly startedAtMs: number
  /** How long the tasks that have run there take, 95 of 100 runs of each, by name. */
  readonly p95Ms?: Readonly<Record<string, number>>
}

export interface SeenWorker extends WorkerPresence {
  readonly seenAtMs: number
}

/** What a beat says of itself now and then, with a look it makes anyway. */
export interface BeatPresence {
  /** `name.incarnation`: its own for every start of a beat. Single passes of an app share one name, so that it is kept once. */
  readonly beat: string
  readonly app: string
  readonly runtime: string
  readonly startedAtMs: number
}

export interface SeenBeat extends BeatPresence {
  readonly seenAtMs: number
  /** How long ago that is, by the broker's clock. */
  readonly agoMs: number
}

export interface Tick {
  readonly schedule: string
  /** The schedule as its beat saw it. */
  readonly revision: number
  /**
   * Null where somebody runs the schedule now: fenced by the revision alone, it moves nothing, and `existing` once there is a job of that
   * id, or was.
   */
  readonly dueAtMs: number | null
  /** Where the schedule goes on; null when it has come to its end. */
  readonly nextDueAtMs: number | null
  /** With a `dueAtMs` of its own where the tick is looked ahead: at most `MAX_AHEAD_MS` from now. Null: the due time is passed over; one by hand has a job. */
  readonly job: Job | null
  /**
   * What becomes of it while a job of an earlier tick has not finished; a job that was replayed does not count. `skip`: no job.
   * `bufferOne`: its job waits, unless one waits already. `bufferAll`: its job waits behind those that do. `cancelPrevious`: its job is
   * made, and those before it are cancelled. Left out: its job is made, and later ones do not look at it.
   */
  readonly overlap?: Overlap | undefined
}

/**
 * `fired`; `existing`: this tick or a later one has been fired already; `moved`: the schedule has changed, read it again;
 * `full`: its queue, or those that wait for the ones before them, are as many as may be, and the schedule stays due; `skipped`: by
 * its rule of overlap there is no job, and the schedule has moved on; `conflict`: the job of one by hand has a fingerprint, and the one
 * that has its id another.
 */
export type FireOutcome = 'fired' | 'skipped' | 'existing' | 'moved' | 'full' | 'conflict'

export interface GetOptions {
  readonly waiter?: string
  /** How long the waiter is to be named for. */
  readonly waitMs?: number
}

export interface JobFilter {
  readonly states?: readonly JobState[]
  readonly queue?: string
  readonly task?: string
  /** One of its tags. */
  readonly tag?: string
  /** By the producer's clock, from this moment on. */
  readonly createdFromMs?: number
  /** Before this one. */
  readonly createdToMs?: number
  /** By the broker's clock: jobs that have finished alone. */
  readonly finishedFromMs?: number
  readonly finishedToMs?: number
  /** At most 1,000; default 50. */
  readonly limit?: number
  /** Where the last page ended. */
  readonly cursor?: string
}

export interface JobPage {
  readonly jobs: readonly JobRecord[]
  /** Null on the last page. */
  readonly cursor: string | null
}

export interface TransitionQuery {
  /** Those after this cursor. */
  readonly after?: string
  /** Default 1,000. */
  readonly limit?: number
}

/** What a job was changed to. */
export interface Transition {
  /** Later ones sort behind earlier ones, as texts. */
  readonly cursor: string
  readonly atMs: number
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly state: JobState | 'removed'
  /** Attempts that had ended by then. */
  readonly attempts: number
}

export interface TransitionPage {
  readonly transitions: readonly Transition[]
  /** Where to go on. */
  readonly cursor: string
  /** Whether there may be more by now. */
  readonly more: boolean
  /** Some before these are not kept any more. */
  readonly gap?: true
}

export interface StatsQuery {
  /** These alone, used or not, and no workers. */
  readonly queues?: readonly string[]
}

export interface QueueStats {
  readonly queue: string
  readonly paused: boolean
  /** What `setPaused` is based on. */
  readonly revision: number
  /** By state; one that is to be retried or is blocked counts as scheduled, and a store may leave out those that succeeded or were cancelled. */
  readonly counts: Readonly<Partial<Record<JobState, number>>>
}

export interface BrokerStats {
  readonly nowMs: number
  readonly queues: readonly QueueStats[]
  readonly workers: readonly SeenWorker[]
}

/** `cancelled` at once; `asked`: its worker will hear of it; `finished` already; `unknown` id. */
export type CancelOutcome = 'cancelled' | 'asked' | 'finished' | 'unknown'
/** `queued` again, also by a copy of the call; `moved`: neither failed nor cancelled, or no longer as the caller saw it; `unknown` id. */
export type RetryOutcome = 'queued' | 'moved' | 'unknown'
/** `queued`: due by now, also by a copy of the call; `moved`: neither scheduled nor retrying, or no longer as the caller saw it; `unknown` id. */
export type PromoteOutcome = 'queued' | 'moved' | 'unknown'
export type RemoveOutcome = 'removed' | 'active' | 'unknown'

export interface Purged {
  /** `moved`: the queue is at another revision, nothing was removed. */
  readonly outcome: 'purged' | 'moved'
  readonly removed: number
  /** Whether more may wait there: the next call is based on the next revision. */
  readonly more: boolean
}

/** A schedule as the broker keeps it. */
export interface StoredSchedule {
  readonly name: string
  /** The app that declared it. */
  readonly app: string
  /** What the schedule is, as JSON text: opaque to the broker. */
  readonly definition: string
  /** Rises with every change. */
  readonly revision: number
  /** Another one for every schedule that was ever stored under this name. */
  readonly incarnation: string
  /** Null when it has come to its end. */
  readonly dueAtMs: number | null
  /** Of the last tick fired or passed over; yet to come where it was looked ahead. */
  readonly lastDueAtMs: number | null
  /** The version of the app that declared it, in milliseconds since the epoch. */
  readonly stampMs: number
}

/** How many schedules one page has at most. */
export const MAX_PAGE_SCHEDULES = 1_000

/** What is kept of a tick. A change that takes back what was looked ahead takes back what is kept of it. */
export interface ScheduleRun {
  /** What its job stands for; of due times that were passed over the first. */
  readonly dueAtMs: number
  readonly firedAtMs: number
  /** `missed`: passed over without a job. */
  readonly outcome: 'fired' | 'skipped' | 'missed'
  /** Null where there was none. */
  readonly jobId: string | null
  /** Somebody has run the schedule; what was due stayed due. */
  readonly manual?: true
}

export interface ScheduleQuery {
  /** Only those that are due by now, in the order of their due times: a page, of at most 1,000 and `MAX_BATCH_BYTES`. */
  readonly due?: boolean
  /** With `due`: those as well that fall due within so long. */
  readonly aheadMs?: number
  readonly app?: string
  /** Only those of these names, all of them; at most 1,000. Without `due`, `limit` and `cursor`. */
  readonly names?: readonly string[]
  /** At most so many, from 1 to 1,000: a page, in the order of their names where they are not the due ones. Left out: all, by due time. */
  readonly limit?: number
  /** Where the last page ended. */
  readonly cursor?: string
  /** Leaves word that a beat was there; what is answered is the same. */
  readonly presence?: BeatPresence
}

export interface SchedulePage {
  readonly nowMs: number
  /** May be fewer than asked for, also none: the cursor says whether there are more. */
  readonly schedules: readonly StoredSchedule[]
  /**
   * Of a query of what is due, the earliest due time of those that are not in the page: because they are due later, or for want of
   * room, and then it is now. Null of other queries.
   */
  readonly nextDueAtMs: number | null
  /** Null on the last page. */
  readonly cursor: string | null
}

/** What was deployed of an app. */
export interface DeployMark {
  /** The app's version, in milliseconds since the epoch. */
  readonly stampMs: number
  /** Of all that the app declares; empty while a deploy is under way, and where one has not come to its end. */
  readonly digest: string
}

/**
 * With a `revision` it is made only where the schedule still is as its caller saw it, else `moved`: 0 where there was none. One made at
 * run time has the stamp 0 then, which is compared with none and leaves the stored one.
 */
export type ScheduleChange =
  | {
      readonly kind: 'set'
      readonly name: string
      readonly app: string
      readonly definition: string
      /** Used for a new schedule or another definition; never taken back to or before the last tick fired. */
      readonly dueAtMs: number | null
      readonly incarnation: string
      readonly stampMs: number
      readonly revision?: number
    }
  | {
      readonly kind: 'remove'
      readonly name: string
      readonly app: string
      readonly stampMs: number
      readonly revision?: number
    }

export type OnHint = (kind?: 'look', id?: string) => void

export interface Wake {
  /**
   * Calls `onHint` whenever the waiter has been named, and with `look` where hints may have been missed. Resolves once hints
   * can arrive, with what ends it: register with an exchange or a `get` only after that. Any number may listen by one name, and
   * those who do as `beatsOf` an app or as `CANCELS` need not register. The latter are told which job it is, as `toHinted` has its
   * id, or of none where it may be any.
   */
  listen(waiter: string, onHint: OnHint): Promise<() => void>
}
