import type { Extension, LeaseRef, Settlement } from '../../../src/broker.ts'
import type { Driver, SqlValue } from './driver.ts'

export interface Settled {
  /** Refs whose lease is another's or nobody's. */
  readonly late: readonly string[]
  /** Jobs that are finished now. */
  readonly finished: readonly string[]
}

/** One statement for every kind: what a settlement makes of a job is data. Fenced by the epoch. */
const SETTLE = `
update tq_job set
  state = r.value->>2,
  attempts = attempts + (r.value->>3),
  atMs = r.value->>4,
  finishedAtMs = r.value->>5,
  result = r.value->>6,
  error = coalesce(r.value->>7, error)
from json_each(?) r
where tq_job.id = r.value->>0 and tq_job.epoch = r.value->>1 and tq_job.state = 'active'
returning id, cancelAsked, finishedAtMs`

/** A job that was to be cancelled while it ran does not go back to its queue. */
const CANCEL_ASKED = `
update tq_job set state = 'cancelled', atMs = ?, finishedAtMs = ?
where id in (select value from json_each(?))`

const CANCELLED_KEEP_MS = 3_600_000

export function settleStep(driver: Driver, settlements: readonly Settlement[], nowMs: number): Settled {
  if (settlements.length === 0) return { late: [], finished: [] }
  const rows = driver.all(SETTLE, JSON.stringify(settlements.map((settlement) => toRow(settlement, nowMs))))
  const goesBack = rows
    .filter(({ cancelAsked, finishedAtMs }) => cancelAsked === 1 && finishedAtMs === null)
    .map(({ id }) => String(id))
  if (goesBack.length > 0) driver.run(CANCEL_ASKED, nowMs + CANCELLED_KEEP_MS, nowMs, JSON.stringify(goesBack))
  const finished = rows.filter(({ finishedAtMs }) => finishedAtMs !== null).map(({ id }) => String(id))
  return { late: lateOf(driver, settlements, rows.length, rows), finished: [...finished, ...goesBack] }
}

/** [id, epoch, state, attempts to add, atMs, finishedAtMs, result, error] */
function toRow(settlement: Settlement, nowMs: number): SqlValue[] {
  const { id, epoch } = settlement
  switch (settlement.kind) {
    case 'succeeded':
      return [id, epoch, 'succeeded', 1, nowMs + settlement.keepMs, nowMs, settlement.result, null]
    case 'failed':
      return [id, epoch, 'failed', 1, nowMs + settlement.keepMs, nowMs, null, JSON.stringify(settlement.error)]
    case 'cancelled':
      return [id, epoch, 'cancelled', 0, nowMs + settlement.keepMs, nowMs, null, null]
    case 'retry':
      return [id, epoch, 'retrying', 1, nowMs + settlement.delayMs, null, null, JSON.stringify(settlement.error)]
    case 'released':
      return settlement.delayMs > 0
        ? [id, epoch, 'scheduled', 0, nowMs + settlement.delayMs, null, null, null]
        : [id, epoch, 'queued', 0, null, null, null, null]
  }
}

const EXTEND = `
update tq_job set atMs = ?, progress = coalesce(r.value->>2, progress)
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
  return { late: lateOf(driver, extensions, rows.length, rows), cancelled }
}

/**
 * Of refs that changed nothing, those that came too late. A job that is no longer active but still at the ref's epoch was
 * settled under this very lease: the ref is a copy, not late.
 */
function lateOf(
  driver: Driver,
  refs: readonly LeaseRef[],
  changed: number,
  rows: readonly { id?: SqlValue }[],
): string[] {
  if (changed === refs.length) return []
  const done = new Set(rows.map(({ id }) => id))
  const open = refs.filter(({ id }) => !done.has(id))
  const current = driver.all(
    `select id, epoch, state from tq_job where id in (select value from json_each(?))`,
    JSON.stringify(open.map(({ id }) => id)),
  )
  const settledAt = new Map(current.filter(({ state }) => state !== 'active').map(({ id, epoch }) => [id, epoch]))
  return open.filter(({ id, epoch }) => settledAt.get(id) !== epoch).map(({ id }) => id)
}
