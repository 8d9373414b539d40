import { type ClaimedJob, type ExchangeRequest, MAX_BATCH_BYTES, MAX_LOST_LEASES } from '../../../src/broker.ts'
import type { JobTick } from '../../../src/job.ts'
import type { Driver, Row } from './driver.ts'

const JOB_COLUMNS = 'seq, id, epoch, v, task, queue, input, attempts, lost, createdAtMs, tick, tags'
/** How many due or expired jobs one exchange moves: a step stays short, the next one goes on. */
const MOVED_AT_ONCE = 500
const FAILED_KEEP_MS = 7 * 86_400_000

const NEXT = `
select
  (select min(atMs) from tq_job where queue = ?1 and state in ('scheduled', 'retrying')) as due,
  (select min(atMs) from tq_job where queue = ?1 and state = 'active') as lease,
  exists (select 1 from tq_job where queue = ?1 and state = 'queued' and lost = 0) as ready,
  exists (select 1 from tq_job where queue = ?1 and state = 'queued' and lost > 0) as lost`

const PROMOTE = `
update tq_job set state = 'queued', atMs = null
where seq in (select seq from tq_job where queue = ? and state in ('scheduled', 'retrying') and atMs <= ? order by atMs limit ${MOVED_AT_ONCE})`

/** A lease that has ended without a word. The first time the job is ready again at once, then later and later, at last never. */
const RECLAIM = `
update tq_job set
  epoch = epoch + 1,
  lost = lost + 1 - ahead,
  ahead = 0,
  state = case when cancelAsked then 'cancelled' when lost + 1 >= ${MAX_LOST_LEASES} then 'failed' when lost = 0 then 'queued' else 'retrying' end,
  atMs = case when cancelAsked or lost + 1 >= ${MAX_LOST_LEASES} then ?2 + ${FAILED_KEEP_MS} when lost = 0 then null else ?2 + cast(lost * ?3 as integer) end,
  finishedAtMs = iif(cancelAsked or lost + 1 >= ${MAX_LOST_LEASES}, ?2, null),
  error = iif(lost + 1 >= ${MAX_LOST_LEASES}, ?4, error)
where seq in (select seq from tq_job where queue = ?1 and state = 'active' and atMs <= ?2 order by atMs limit ${MOVED_AT_ONCE})
returning id, finishedAtMs`

const LOST_ERROR = JSON.stringify({
  name: 'LeaseLost',
  message: `expected a worker to finish the job, got ${MAX_LOST_LEASES} workers that went away in the middle of it: it may be what ends them`,
})

/** Moves what has fallen due and takes back what has expired, of one queue. Answers the ids that have finished by it. */
export function moveDue(
  driver: Driver,
  queue: string,
  { nowMs, leaseMs, random, holdMs }: MoveOptions,
): readonly string[] {
  const [next] = driver.all(NEXT, queue)
  if (isBy(next?.due, nowMs)) driver.run(PROMOTE, queue, nowMs)
  if (holdMs > 0 || !isBy(next?.lease, nowMs)) return []
  const jitterMs = leaseMs * (0.5 + random() / 2)
  const rows = driver.all(RECLAIM, queue, nowMs, jitterMs, LOST_ERROR)
  return rows.filter(({ finishedAtMs }) => finishedAtMs !== null).map(({ id }) => String(id))
}

export interface MoveOptions {
  readonly nowMs: number
  readonly leaseMs: number
  readonly random: () => number
  /** For how long no lease is taken back, however expired it looks. */
  readonly holdMs: number
}

function isBy(atMs: Row[string] | undefined, nowMs: number): boolean {
  return typeof atMs === 'number' && atMs <= nowMs
}

/** What is left in a queue: for this lane, and for others. */
export interface Outlook {
  /** The earliest moment at which this lane could claim something: now when it can. */
  readonly nextAtMs: number | null
  /** Whether there is something that a lane could claim now. */
  readonly ready: boolean
}

/** What a lane may not have is not claimable for it, or it would ask in a hot loop: a second lost job, a lease that is held. */
export function outlook(driver: Driver, queue: string, { nowMs, holdMs, takeLost }: OutlookOptions): Outlook {
  const [next] = driver.all(NEXT, queue)
  const ready = next?.ready === 1 || next?.lost === 1
  if (next?.ready === 1 || (takeLost && next?.lost === 1)) return { nextAtMs: nowMs, ready }
  const lease = typeof next?.lease === 'number' && holdMs > 0 ? Math.max(next.lease, nowMs + holdMs) : next?.lease
  const times = [next?.due, lease].filter((atMs) => typeof atMs === 'number')
  return { nextAtMs: times.length === 0 ? null : Math.min(...times), ready }
}

export interface OutlookOptions extends Pick<MoveOptions, 'nowMs' | 'holdMs'> {
  readonly takeLost: boolean
}

const READY = `select seq, octet_length(input) as bytes from tq_job where queue = ? and state = 'queued' and lost = 0 order by priority desc, seq limit ?`
const LOST = `select seq, octet_length(input) as bytes from tq_job where queue = ? and state = 'queued' and lost > 0 order by seq limit 1`
const CLAIM = `
update tq_job set state = 'active', epoch = epoch + 1, atMs = ?, ahead = 0
where seq in (select value from json_each(?))
returning ${JOB_COLUMNS}`

/** Only on the first claim: a job that ends its worker is not to go uncounted for ever. */
const AHEAD = `update tq_job set ahead = 1 where seq in (select value from json_each(?)) and epoch = 1`

/** Claims up to `want` jobs of the queues in their order: bounded in bytes before anything is read, one lost job at most. */
export function claimStep(
  driver: Driver,
  { queues, want, ahead = 0, takeLost, leaseMs }: ExchangeRequest,
  nowMs: number,
): ClaimedJob[] {
  const order = candidates(driver, queues, want, takeLost)
  if (order.length === 0) return []
  const rows = driver.all(CLAIM, nowMs + leaseMs, JSON.stringify(order))
  const claimedAhead = order.slice(want - ahead)
  if (claimedAhead.length > 0) driver.run(AHEAD, JSON.stringify(claimedAhead))
  const bySeq = new Map(rows.map((row) => [row.seq, row]))
  return order.map((seq) => toClaimedJob(bySeq.get(seq) as Row))
}

function candidates(driver: Driver, queues: readonly string[], want: number, takeLost: boolean): number[] {
  const order: number[] = []
  let bytes = 0
  let lostLeft = takeLost ? 1 : 0
  for (const queue of queues) {
    if (order.length === want) break
    const lost = lostLeft > 0 ? driver.all(LOST, queue) : []
    lostLeft -= lost.length
    for (const row of [...lost, ...driver.all(READY, queue, want - order.length - lost.length)]) {
      bytes += Number(row.bytes)
      // The first one always goes: no job may be too large to be claimed at all.
      if (order.length > 0 && bytes > MAX_BATCH_BYTES) return order
      order.push(Number(row.seq))
    }
  }
  return order
}

function toClaimedJob(row: Row): ClaimedJob {
  return {
    id: row.id as string,
    epoch: row.epoch as number,
    v: row.v as number,
    task: row.task as string,
    queue: row.queue as string,
    input: row.input as string,
    attempt: (row.attempts as number) + 1,
    lost: row.lost as number,
    createdAtMs: row.createdAtMs as number,
    tick: row.tick === null ? null : (JSON.parse(row.tick as string) as JobTick),
    ...(row.tags === null ? {} : { tags: JSON.parse(row.tags as string) as string[] }),
  }
}

const REPLAY = `
select ${JOB_COLUMNS}
from (select key as place, value->>0 as heldId, value->>1 as heldEpoch from json_each(?))
join tq_job on id = heldId and epoch = heldEpoch
where state = 'active' order by place`

/** The jobs of an exchange that was answered before, without those that have moved on since. */
export function replayClaim(driver: Driver, refs: readonly (readonly [string, number])[]): ClaimedJob[] {
  return driver.all(REPLAY, JSON.stringify(refs)).map(toClaimedJob)
}
