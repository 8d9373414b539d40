import type { ExchangeReply, ExchangeRequest } from '../../../src/broker.ts'
import { StaleExchange } from '../../../src/errors.ts'
import { claimStep, type MoveOptions, moveDue, type Outlook, outlook, replayClaim } from './claim.ts'
import type { Driver } from './driver.ts'
import { afterFinished } from './finished.ts'
import { pruneStep, pruneWaiting } from './operations.ts'
import { extendStep, settleStep } from './settle.ts'
import { isWaiting, nameWaiting, queueTopic, registerWaiting, unregisterWaiting } from './waiting.ts'

export interface Exchanged {
  readonly reply: ExchangeReply
  /** The waiters to hint once the step has committed. */
  readonly named: readonly string[]
  /** The lane, when it is registered as waiting now. */
  readonly registered: string | undefined
}

/** What a lane's last exchange answered, as it is stored: refs only, the jobs are read again. */
interface StoredReply {
  readonly jobs: readonly (readonly [id: string, epoch: number])[]
  readonly late: readonly string[]
  readonly cancelled: readonly string[]
}

/** Records swept in passing by an exchange that settles. */
const PRUNED_IN_PASSING = 200

/** The contract's exchange, inside a transaction: replay check, fence and settle, due and expired, claim. */
export function exchangeStep(
  driver: Driver,
  request: ExchangeRequest,
  options: Omit<MoveOptions, 'leaseMs'>,
): Exchanged {
  const { lane, seq, leaseMs } = request
  const { nowMs, holdMs } = options
  const [last] = driver.all('select seq, reply from tq_lane where lane = ?', lane)
  const lastSeq = Number(last?.seq ?? 0)
  if (seq < lastSeq) throw new StaleExchange(lane, lastSeq, seq)
  const queues = servedQueues(driver, request.queues)
  if (seq === lastSeq) return replay(driver, JSON.parse(String(last?.reply)) as StoredReply, request, options)

  unregisterWaiting(driver, lane)
  const settled = settleStep(driver, request.settle, nowMs)
  const extended = extendStep(driver, request.extend, nowMs + leaseMs)
  const expired = queues.flatMap((queue) => moveDue(driver, queue, { ...options, leaseMs }))
  // Before the claim: a job that has waited for one of them may be claimed at once.
  const freed = afterFinished(driver, [...settled.finished, ...expired], nowMs, request)
  const jobs = request.want > 0 ? claimStep(driver, { ...request, queues }, nowMs) : []
  const takeLost = request.takeLost && !jobs.some(({ lost }) => lost > 0)
  const outlooks = queues.map((queue) => outlook(driver, queue, { nowMs, holdMs, takeLost }))
  const nextMs = earliest(outlooks)
  const waits =
    jobs.length < request.want - (request.ahead ?? 0) && request.waitMs > 0 && !(nextMs !== null && nextMs <= nowMs)
  if (waits) registerWaiting(driver, lane, request.queues.map(queueTopic), nowMs + request.waitMs)
  sweepInPassing(driver, request, nowMs)

  const late = [...settled.late, ...extended.late]
  const { cancelled } = extended
  storeReply(driver, request, { jobs: jobs.map(({ id, epoch }) => [id, epoch]), late, cancelled }, nowMs)
  const named = [...freed, ...nameNext(driver, queues, outlooks, nowMs)]
  return { reply: { nowMs, jobs, late, cancelled, nextAtMs: nextMs }, named, registered: waits ? lane : undefined }
}

/** A worker says that it is there now and then, also an idle one: often enough for what goes seldom. */
function sweepInPassing(driver: Driver, { settle, presence }: ExchangeRequest, nowMs: number): void {
  if (settle.length > 0 || presence) pruneStep(driver, nowMs, PRUNED_IN_PASSING)
  if (presence) pruneWaiting(driver, nowMs)
}

/** The queues of the request that are not paused, in its order. */
function servedQueues(driver: Driver, queues: readonly string[]): readonly string[] {
  const paused = new Set(driver.all('select queue from tq_queue where paused = 1').map(({ queue }) => queue))
  return paused.size === 0 ? queues : queues.filter((queue) => !paused.has(queue))
}

/** An exchange that leaves work wakes the next worker, so that one hint is enough for any number of jobs. */
function nameNext(driver: Driver, queues: readonly string[], outlooks: readonly Outlook[], nowMs: number): string[] {
  const left = queues.filter((_, at) => outlooks[at]?.ready)
  return left.flatMap((queue) => nameWaiting(driver, queueTopic(queue), nowMs))
}

function replay(
  driver: Driver,
  { jobs: refs, late, cancelled }: StoredReply,
  { lane, queues, takeLost }: ExchangeRequest,
  { nowMs, holdMs }: Omit<MoveOptions, 'leaseMs'>,
): Exchanged {
  const jobs = replayClaim(driver, refs)
  const nextMs = earliest(
    servedQueues(driver, queues).map((queue) => outlook(driver, queue, { nowMs, holdMs, takeLost })),
  )
  return {
    reply: { nowMs, jobs, late, cancelled, nextAtMs: nextMs },
    named: [],
    registered: isWaiting(driver, lane) ? lane : undefined,
  }
}

const STORE_REPLY = `
insert into tq_lane (lane, seq, reply, atMs, presence) values (?, ?, ?, ?, ?)
on conflict (lane) do update set seq = excluded.seq, reply = excluded.reply, atMs = excluded.atMs, presence = coalesce(excluded.presence, presence)`

function storeReply(driver: Driver, { lane, seq, presence }: ExchangeRequest, reply: StoredReply, nowMs: number): void {
  driver.run(STORE_REPLY, lane, seq, JSON.stringify(reply), nowMs, presence ? JSON.stringify(presence) : null)
}

function earliest(outlooks: readonly Outlook[]): number | null {
  const known = outlooks.flatMap(({ nextAtMs }) => (nextAtMs === null ? [] : [nextAtMs]))
  return known.length === 0 ? null : Math.min(...known)
}
