import type {
  BrokerStats,
  CancelOutcome,
  JobFilter,
  JobPage,
  LeaseRef,
  PromoteOutcome,
  Purged,
  QueueStats,
  RemoveOutcome,
  RetryOutcome,
  SeenWorker,
  WorkerPresence,
} from '../../../src/broker.ts'
import { CANCELS, STUB_MS } from '../../../src/broker.ts'
import { InvalidOption } from '../../../src/errors.ts'
import type { JobError, JobRecord, JobTick } from '../../../src/job.ts'
import { checkWhole } from '../../../src/whole.ts'
import { isFinished, type JobState } from '../../../src/words.ts'
import type { Driver, Row, SqlValue } from './driver.ts'
import { leaveTurn } from './overlap.ts'
import { countChange, nameWaiting, queueTopic } from './waiting.ts'

const RECORD_COLUMNS =
  'id, task, queue, state, priority, input, createdAtMs, atMs, finishedAtMs, attempts, lost, epoch, result, error, progress, tick, tags'

/* Reads ------------------------------------------------------------------------------------------------------------ */

/** A record ends at its time, also where nobody has swept it yet. */
export function getStep(driver: Driver, ids: readonly string[], nowMs: number): (JobRecord | null)[] {
  const rows = driver.all(
    `select ${RECORD_COLUMNS} from tq_job
     where id in (select value from json_each(?)) and state <> 'removed' and (finishedAtMs is null or atMs > ?)`,
    JSON.stringify(ids),
    nowMs,
  )
  const byId = new Map(rows.map((row) => [row.id, toRecord(row)]))
  return ids.map((id) => byId.get(id) ?? null)
}

function toRecord(row: Row): JobRecord {
  return {
    id: row.id as string,
    task: row.task as string,
    queue: row.queue as string,
    state: row.state as JobState,
    priority: row.priority as number,
    input: row.input as string,
    createdAtMs: row.createdAtMs as number,
    atMs: row.atMs as number | null,
    finishedAtMs: row.finishedAtMs as number | null,
    attempts: row.attempts as number,
    lost: row.lost as number,
    epoch: row.epoch as number,
    result: row.result as string | null,
    error: fromColumn<JobError>(row.error),
    progress: row.progress as string | null,
    tick: fromColumn<JobTick>(row.tick),
    tags: fromColumn<string[]>(row.tags) ?? [],
  }
}

function fromColumn<T>(value: SqlValue | undefined): T | null {
  return typeof value === 'string' ? (JSON.parse(value) as T) : null
}

const MAX_PAGE = 1_000
const DEFAULT_PAGE = 50

/** What a page may look at, whatever its filter leaves out: some 0.1 s. */
const MAX_LOOKED_AT = 50_000
const LOOKED_AT = `select * from tq_job where ?1 is null or seq < ?1 order by seq desc limit ${MAX_LOOKED_AT}`

const LIST = `
select seq, ${RECORD_COLUMNS} from tq_job where seq in (
  select seq from (${LOOKED_AT})
  where state <> 'removed' and (?2 is null or state in (select value from json_each(?2)))
    and (?3 is null or queue = ?3) and (?4 is null or task = ?4)
    and (?5 is null or createdAtMs >= ?5) and (?6 is null or createdAtMs < ?6)
    and (?7 is null or finishedAtMs >= ?7) and (?8 is null or finishedAtMs < ?8)
    and (?9 is null or exists (select 1 from json_each(tags) where value = ?9))
  order by seq desc limit ?10
) order by seq desc`

const LAST_LOOKED_AT = `select min(seq) as seq, count(*) as jobs from (${LOOKED_AT})`

export function listStep(driver: Driver, filter: JobFilter): JobPage {
  const { states, queue = null, task = null, tag = null, limit = DEFAULT_PAGE, cursor } = filter
  checkWhole('limit', limit, 1, MAX_PAGE)
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor))
    throw new InvalidOption('cursor', 'the cursor of an earlier page', 'another text')
  const { createdFromMs = null, createdToMs = null, finishedFromMs = null, finishedToMs = null } = filter
  const times = [createdFromMs, createdToMs, finishedFromMs, finishedToMs]
  const before = cursor ? Number(cursor) : null
  const rows = driver.all(LIST, before, states ? JSON.stringify(states) : null, queue, task, ...times, tag, limit + 1)
  const page = rows.slice(0, limit)
  const ended = rows.length > limit ? page[page.length - 1]?.seq : lastLookedAt(driver, before)
  return { jobs: page.map(toRecord), cursor: ended === null ? null : String(ended) }
}

/** Null where that was all there is. */
function lastLookedAt(driver: Driver, before: number | null): SqlValue {
  const [last] = driver.all(LAST_LOOKED_AT, before)
  return last?.jobs === MAX_LOOKED_AT ? (last.seq ?? null) : null
}

const WORKER_SEEN_MS = 120_000

export function statsStep(driver: Driver, nowMs: number, queues?: readonly string[]): BrokerStats {
  const wanted = queues ? JSON.stringify(queues) : null
  const counts = driver.all(
    `select queue, iif(state in ('retrying', 'blocked'), 'scheduled', state) as place, count(*) as jobs from tq_job
     where state <> 'removed' and (?1 is null or queue in (select value from json_each(?1))) group by queue, place order by queue`,
    wanted,
  )
  const settings = driver.all('select queue, paused, revision from tq_queue')
  const found = toQueueStats(counts, settings, queues)
  return queues ? { nowMs, queues: found, workers: [] } : { nowMs, queues: found, workers: workersStep(driver, nowMs) }
}

/** Any lane may speak for its worker: the last one that did counts. */
export function workersStep(driver: Driver, nowMs: number): SeenWorker[] {
  const seen = driver.all(
    'select presence, atMs from tq_lane where presence is not null and atMs > ? order by atMs, lane',
    nowMs - WORKER_SEEN_MS,
  )
  const workers = seen.map(({ presence, atMs }) => ({
    ...(JSON.parse(String(presence)) as WorkerPresence),
    seenAtMs: Number(atMs),
  }))
  return [...new Map(workers.map((one) => [one.worker, one])).values()]
}

function toQueueStats(
  counts: readonly Row[],
  settings: readonly Row[],
  queues: readonly string[] = [...counts, ...settings].map(({ queue }) => String(queue)),
): QueueStats[] {
  return [...new Set(queues)].sort().map((queue) => {
    const setting = settings.find((row) => row.queue === queue)
    const own = counts.filter((row) => row.queue === queue).map(({ place, jobs }) => [place, Number(jobs)])
    return {
      queue,
      paused: setting?.paused === 1,
      revision: Number(setting?.revision ?? 0),
      counts: Object.fromEntries(own),
    }
  })
}

/* Operations ------------------------------------------------------------------------------------------------------- */

function stateOf(driver: Driver, id: string): JobState | undefined {
  return driver.all(`select state from tq_job where id = ? and state <> 'removed'`, id)[0]?.state as
    | JobState
    | undefined
}

export function cancelStep(driver: Driver, ids: readonly string[], nowMs: number): CancelOutcome[] {
  return ids.map((id) => {
    const state = stateOf(driver, id)
    if (state === undefined) return 'unknown'
    if (isFinished(state)) return state === 'cancelled' ? 'cancelled' : 'finished'
    if (state === 'active') {
      driver.run('update tq_job set cancelAsked = 1 where id = ?', id)
      countChange(driver, CANCELS)
      return 'asked'
    }
    driver.run(
      `update tq_job set state = 'cancelled', atMs = ?, finishedAtMs = ? where id = ?`,
      nowMs + STUB_MS,
      nowMs,
      id,
    )
    return 'cancelled'
  })
}

/** The epoch moves, so that a late copy of the call finds another one. */
const RETRY = `
update tq_job set state = 'queued', epoch = epoch + 1, attempts = 0, lost = 0, cancelAsked = 0, atMs = null, finishedAtMs = null, result = null
where id = ? and epoch = ? and state in ('failed', 'cancelled', 'expired')`

/** By a copy of the call, or given back by a worker since: it is queued as was wanted. */
function isQueuedBy(driver: Driver, id: string, epoch: number): boolean {
  return driver.all(`select 1 from tq_job where id = ? and epoch = ? and state = 'queued'`, id, epoch + 1).length > 0
}

export function retryStep(driver: Driver, refs: readonly LeaseRef[]): RetryOutcome[] {
  return refs.map(({ id, epoch }) => {
    if (driver.run(RETRY, id, epoch) === 1) {
      leaveTurn(driver, id)
      return 'queued'
    }
    if (isQueuedBy(driver, id, epoch)) return 'queued'
    return stateOf(driver, id) === undefined ? 'unknown' : 'moved'
  })
}

/** The epoch moves: a late copy of the call finds another one, and so does a beat that takes back what it has looked ahead. */
const PROMOTE = `
update tq_job set state = 'queued', epoch = epoch + 1, atMs = null where id = ? and epoch = ? and state in ('scheduled', 'retrying') and atMs > ?`

/** Due without us. */
const IS_DUE = `select 1 from tq_job where id = ? and epoch = ? and state in ('scheduled', 'retrying')`

export function promoteStep(driver: Driver, refs: readonly LeaseRef[], nowMs: number): PromoteOutcome[] {
  return refs.map(({ id, epoch }) => {
    if (driver.run(PROMOTE, id, epoch, nowMs) === 1 || isQueuedBy(driver, id, epoch)) return 'queued'
    if (driver.all(IS_DUE, id, epoch).length > 0) return 'queued'
    return stateOf(driver, id) === undefined ? 'unknown' : 'moved'
  })
}

/** The waiters to hint of what is in their queues again. */
export function nameForReady(driver: Driver, refs: readonly LeaseRef[], nowMs: number): readonly string[] {
  const ids = JSON.stringify(refs.map(({ id }) => id))
  const queues = driver.all('select distinct queue from tq_job where id in (select value from json_each(?))', ids)
  return queues.flatMap(({ queue }) => nameWaiting(driver, queueTopic(String(queue)), nowMs))
}

/** What is removed leaves its id, so that a late copy of its enqueue creates nothing. */
const TO_STUB = `
update tq_job set state = 'removed', atMs = ?, input = '', result = null, error = null, progress = null, tick = null, tags = null`
const REMOVE = `${TO_STUB} where id = ?`

export function removeStep(driver: Driver, ids: readonly string[], nowMs: number): RemoveOutcome[] {
  return ids.map((id) => {
    const state = stateOf(driver, id)
    if (state === undefined || state === 'active') return state ?? 'unknown'
    driver.run(REMOVE, nowMs + STUB_MS, id)
    return 'removed'
  })
}

/** Each is an index of its own. */
const WAITING = [
  `state = 'queued' and lost = 0`,
  `state = 'queued' and lost > 0`,
  `state in ('scheduled', 'retrying')`,
  `state = 'blocked'`,
].map((where) => `${TO_STUB} where seq in (select seq from tq_job where queue = ? and ${where} limit ?) returning id`)

interface PurgedIds extends Purged {
  readonly ids: readonly string[]
}

export function purgeStep(driver: Driver, queue: string, revision: number, limit: number, nowMs: number): PurgedIds {
  const [stored] = driver.all('select revision from tq_queue where queue = ?', queue)
  if (Number(stored?.revision ?? 0) !== revision) return { outcome: 'moved', removed: 0, more: false, ids: [] }
  const ids: string[] = []
  for (const sql of WAITING)
    ids.push(...driver.all(sql, nowMs + STUB_MS, queue, limit - ids.length).map(({ id }) => String(id)))
  driver.run(
    'insert into tq_queue (queue, paused, revision) values (?, 0, ?) on conflict do update set revision = excluded.revision',
    queue,
    revision + 1,
  )
  return { outcome: 'purged', removed: ids.length, more: ids.length === limit, ids }
}

export function setPausedStep(
  driver: Driver,
  queue: string,
  paused: boolean,
  revision: number,
): 'set' | 'existing' | 'moved' {
  const [stored] = driver.all('select paused, revision from tq_queue where queue = ?', queue)
  const current = Number(stored?.revision ?? 0)
  if (current === revision + 1 && (stored?.paused === 1) === paused) return 'existing'
  if (current !== revision) return 'moved'
  driver.run(
    'insert into tq_queue (queue, paused, revision) values (?, ?, ?) on conflict do update set paused = excluded.paused, revision = excluded.revision',
    queue,
    paused ? 1 : 0,
    revision + 1,
  )
  return 'set'
}

const EXPIRED = `
select seq from tq_job where state in ('succeeded', 'failed', 'cancelled', 'expired', 'removed') and atMs <= ?1 order by atMs limit ?2`

/** What is kept for less than a stub's time leaves its stub: a late copy of its enqueue is to find it. */
const LEAVE_STUB = `
update tq_job set state = 'removed', atMs = finishedAtMs + ${STUB_MS}, input = '', result = null, error = null, progress = null, tick = null, tags = null
where seq in (${EXPIRED}) and state <> 'removed' and finishedAtMs + ${STUB_MS} > ?1`

const PRUNE = `delete from tq_job where seq in (${EXPIRED})`

/** A lane's last reply is of use only as long as somebody may send its exchange again. */
const LANE_KEPT_MS = 3_600_000

export function pruneStep(driver: Driver, nowMs: number, limit: number): number {
  // Every exchange comes by here, and nearly always nothing has expired: asking first is a tenth of two statements for nothing.
  if (driver.all(EXPIRED, nowMs, 1).length === 0) return 0
  const stubs = driver.run(LEAVE_STUB, nowMs, limit)
  return stubs + driver.run(PRUNE, nowMs, limit - stubs)
}

export function pruneWaiting(driver: Driver, nowMs: number): void {
  driver.run('delete from tq_lane where atMs <= ?', nowMs - LANE_KEPT_MS)
  driver.run('delete from tq_waiting where untilMs <= ?', nowMs)
}
