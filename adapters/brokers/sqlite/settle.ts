import type { Extension, LeaseRef, Settlement } from '../../../src/broker.ts'
import { isFinished, type JobState } from '../../../src/words.ts'
import type { Driver, SqlValue } from './driver.ts'

export interface Settled {
  /** Refs whose lease is another's or nobody's. */
  readonly late: readonly string[]
  /** Jobs that are finished now. */
  readonly finished: readonly string[]
}

/**
 * Takes a group of jobs to one state. Fenced by the epoch. What a group has in common is bound once, and no row is returned:
 * reading it out of each row's JSON text and telling of each row cost a third of the step.
 */
const SETTLE = `
update tq_job set
  state = ?1,
  attempts = attempts + ?2,
  atMs = ?3 + (r.value->>2),
  finishedAtMs = ?4,
  result = r.value->>3,
  error = coalesce(r.value->>4, error),
  progress = coalesce(r.value->>5, progress)
from json_each(?5) r
where tq_job.id = r.value->>0 and tq_job.epoch = r.value->>1 and tq_job.state = 'active'`

/** A job that was to be cancelled while it ran does not go back to its queue. */
const CANCEL_ASKED = `
update tq_job set state = 'cancelled', atMs = ?, finishedAtMs = ?
where id in (select value from json_each(?)) and cancelAsked = 1 and finishedAtMs is null
returning id`

const CANCELLED_KEEP_MS = 3_600_000

export function settleStep(driver: Driver, settlements: readonly Settlement[], nowMs: number): Settled {
  const late: string[] = []
  const finished: string[] = []
  for (const [state, group] of byStateAfter(settlements)) {
    const changed = driver.run(SETTLE, ...placeOf(state, nowMs), JSON.stringify(group.map(toRow)))
    const tooLate = changed === group.length ? [] : lateOf(driver, group)
    const settled = group.map(({ id }) => id).filter((id) => !tooLate.includes(id))
    late.push(...tooLate)
    finished.push(...(isFinished(state) ? settled : cancelAsked(driver, settled, nowMs)))
  }
  return { late, finished }
}

function cancelAsked(driver: Driver, ids: readonly string[], nowMs: number): string[] {
  return driver.all(CANCEL_ASKED, nowMs + CANCELLED_KEEP_MS, nowMs, JSON.stringify(ids)).map(({ id }) => String(id))
}

function byStateAfter(settlements: readonly Settlement[]): ReadonlyMap<JobState, readonly Settlement[]> {
  const groups = new Map<JobState, Settlement[]>()
  for (const settlement of settlements) {
    const state = stateAfter(settlement)
    const group = groups.get(state)
    if (group) group.push(settlement)
    else groups.set(state, [settlement])
  }
  return groups
}

function stateAfter(settlement: Settlement): JobState {
  if (settlement.kind === 'retry') return 'retrying'
  if (settlement.kind !== 'released') return settlement.kind
  return settlement.delayMs > 0 ? 'scheduled' : 'queued'
}

/** state, attempts to add, what `atMs` counts from, finishedAtMs */
function placeOf(state: JobState, nowMs: number): SqlValue[] {
  const attempts = state === 'succeeded' || state === 'failed' || state === 'retrying' ? 1 : 0
  return [state, attempts, state === 'queued' ? null : nowMs, isFinished(state) ? nowMs : null]
}

/** [id, epoch, milliseconds until atMs, result, error, progress] */
function toRow(settlement: Settlement): SqlValue[] {
  const { id, epoch } = settlement
  const ms = Math.round('keepMs' in settlement ? settlement.keepMs : settlement.delayMs)
  const result = 'result' in settlement ? settlement.result : null
  const error = 'error' in settlement ? JSON.stringify(settlement.error) : null
  return [id, epoch, ms, result, error, settlement.progress ?? null]
}

const EXTEND = `
update tq_job set atMs = ?, progress = coalesce(r.value->>2, progress), ahead = 0
from json_each(?) r
where tq_job.id = r.value->>0 and tq_job.epoch = r.value->>1 and tq_job.state = 'active'
returning id, cancelAsked`

export interface Extended {
  readonly late: readonly string[]
  readonly cancelled: readonly string[]
}

export function extendStep(driver: Driver, extensions: readonly Extension[], leaseEndsMs: number): Extended {
  if (extensions.length === 0) return { late: [], cancelled: [] }
  const rows = driver.all(
    EXTEND,
    leaseEndsMs,
    JSON.stringify(extensions.map(({ id, epoch, progress = null }) => [id, epoch, progress])),
  )
  const cancelled = rows.filter(({ cancelAsked }) => cancelAsked === 1).map(({ id }) => String(id))
  return { late: rows.length === extensions.length ? [] : lateOf(driver, extensions), cancelled }
}

/**
 * Of refs of which some changed nothing, those that came too late. A job that is still at the ref's epoch was extended or
 * settled under this very lease, now or by a copy of the ref: that is not late.
 */
function lateOf(driver: Driver, refs: readonly LeaseRef[]): string[] {
  const current = driver.all(
    `select id, epoch from tq_job where id in (select value from json_each(?))`,
    JSON.stringify(refs.map(({ id }) => id)),
  )
  const epochs = new Map(current.map(({ id, epoch }) => [id, epoch]))
  return refs.filter(({ id, epoch }) => epochs.get(id) !== epoch).map(({ id }) => id)
}
