/**
 * Whose turn it is, for schedules with a rule of overlap. A row of `tq_turn` is a job of theirs that has not finished, as far as is
 * known, in due order: the first one runs or may run, those behind it are blocked, and are freed one after the other.
 *
 * @module
 */
import { MAX_BLOCKED, type Tick } from '../../../src/broker.ts'
import type { Overlap } from '../../../src/schedule.ts'
import type { Driver } from './driver.ts'
import { nameWaiting, queueTopic } from './waiting.ts'

/** Also one of which nobody told that it has finished, such as an older process. */
const FORGET = `
delete from tq_turn where schedule = ?1 and not exists (
  select 1 from tq_job where id = jobId and state not in ('succeeded', 'failed', 'cancelled', 'expired', 'removed')
)`

const FIRST = `
select id, queue, state from tq_turn join tq_job on id = jobId where schedule = ? order by place limit 1`

/** Passes the turn on where its holder has finished. Answers the waiters to hint. */
function passOn(driver: Driver, schedule: string, nowMs: number): string[] {
  driver.run(FORGET, schedule)
  const [first] = driver.all(FIRST, schedule)
  if (first?.state !== 'blocked') return []
  driver.run(`update tq_job set state = 'queued' where id = ?`, String(first.id))
  return nameWaiting(driver, queueTopic(String(first.queue)), nowMs)
}

/** Frees the jobs whose turn it is once these have finished. Nothing to do where nobody waits, which is one look. */
export function freeAfter(driver: Driver, ids: readonly string[], nowMs: number): string[] {
  if (driver.all(`select 1 from tq_job where state = 'blocked' limit 1`).length === 0) return []
  const ended = driver.all(
    'select distinct schedule from tq_turn where jobId in (select value from json_each(?))',
    JSON.stringify(ids),
  )
  return ended.flatMap(({ schedule }) => passOn(driver, String(schedule), nowMs))
}

const BEFORE = `
select id, state from tq_turn join tq_job on id = jobId where schedule = ? and id <> ? order by place`

export interface Turn {
  /** What the rule makes of a tick: `queued`, its job may run; `blocked`, it waits; else there is none. */
  readonly becomes: 'queued' | 'blocked' | 'skipped' | 'full'
  /** Jobs that are to be cancelled once it is stored. */
  readonly cancels: readonly string[]
  readonly named: readonly string[]
}

/** Whose turn it is at a tick that is about to be fired. */
export function turnOf(driver: Driver, { schedule, job }: Tick, overlap: Overlap, nowMs: number): Turn {
  const named = passOn(driver, schedule, nowMs)
  const before = driver.all(BEFORE, schedule, job?.id ?? '')
  if (before.length === 0) return { becomes: 'queued', cancels: [], named }
  const waiting = before.filter(({ state }) => state === 'blocked').length
  const cancels = overlap === 'cancelPrevious' ? before.map(({ id }) => String(id)) : []
  return { becomes: becomesOf(overlap, waiting), cancels, named }
}

function becomesOf(overlap: Overlap, waiting: number): Turn['becomes'] {
  if (overlap === 'cancelPrevious') return 'queued'
  if (overlap === 'bufferAll') return waiting < MAX_BLOCKED ? 'blocked' : 'full'
  return overlap === 'bufferOne' && waiting === 0 ? 'blocked' : 'skipped'
}

const TAKE = `
insert into tq_turn (jobId, schedule, place)
select ?2, ?1, coalesce(max(place), 0) + 1 from tq_turn where schedule = ?1
on conflict do nothing`

/** The job stands in line from now on. */
export function takeTurn(driver: Driver, schedule: string, id: string): void {
  driver.run(TAKE, schedule, id)
}

/** Of a schedule that has gone for good: those who wait have their turn all the same. */
export function forgetTurns(driver: Driver, schedule: string): void {
  const waiting = `select 1 from tq_turn join tq_job on id = jobId where schedule = ?1 and state = 'blocked'`
  driver.run(`delete from tq_turn where schedule = ?1 and not exists (${waiting})`, schedule)
}

/** A job that is run again on purpose does not count. */
export function leaveTurn(driver: Driver, id: string): void {
  driver.run('delete from tq_turn where jobId = ?', id)
}
