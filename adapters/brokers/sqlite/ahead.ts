/**
 * Ticks that were looked ahead: fired before they are due, their jobs waiting for the time. Each is noted until then, and a change
 * of its schedule undoes them from the first one on.
 *
 * @module
 */
import type { Tick } from '../../../src/broker.ts'
import type { Driver } from './driver.ts'
import { afterFinished } from './finished.ts'

/** A tick that nobody asks for by hand. */
export type DueTick = Tick & { readonly dueAtMs: number }

/** Only if the tick is about to be fired: the same comparison as that of `fireStep`. */
const NOTE = `
insert or replace into tq_ahead (schedule, dueAtMs, lastDueAtMs, jobId)
select name, dueAtMs, lastDueAtMs, ? from tq_schedule where name = ? and revision = ? and dueAtMs = ?`

/** Before the schedule moves on: what its last tick was is part of the note. */
export function noteAhead(driver: Driver, { schedule, revision, dueAtMs, job }: DueTick, nowMs: number): void {
  if (job?.dueAtMs !== undefined && job.dueAtMs > nowMs) driver.run(NOTE, job.id, schedule, revision, dueAtMs)
}

/** What has fallen due is a job like any other. */
export function forgetDue(driver: Driver, schedule: string, nowMs: number): void {
  driver.run('delete from tq_ahead where schedule = ? and dueAtMs <= ?', schedule, nowMs)
}

/** The same id is to be free for the same due time: what arrives late of before is fenced by the schedule's revision. */
const REVOKE = `
delete from tq_job where state = 'scheduled' and epoch = 0 and id in (select jobId from tq_ahead where schedule = ? and dueAtMs > ?)
returning id`

const UNDO = `
update tq_schedule set (dueAtMs, lastDueAtMs) = (
  select dueAtMs, lastDueAtMs from tq_ahead
  where schedule = ?1 and jobId in (select value from json_each(?2)) order by dueAtMs limit 1
)
where name = ?1`

/** Takes back what is not due yet and was never claimed. Answers the waiters to hint. */
export function revokeAhead(driver: Driver, schedule: string, nowMs: number): readonly string[] {
  const ids = driver.all(REVOKE, schedule, nowMs).map(({ id }) => String(id))
  if (ids.length > 0) driver.run(UNDO, schedule, JSON.stringify(ids))
  driver.run('delete from tq_ahead where schedule = ?', schedule)
  return afterFinished(driver, ids, nowMs)
}
