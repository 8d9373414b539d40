/** What is kept of each schedule's last ticks: one row each, newest first. */
import { RUNS_KEPT, type ScheduleRun, type Tick } from '../../../src/broker.ts'
import { tickJobId } from '../../../src/job.ts'
import type { Driver, Row } from './driver.ts'

/** The job's id is left out where it follows from the rest, as a beat's do; null where there is none. */
type StoredRun = readonly [
  dueAtMs: number,
  firedAtMs: number,
  outcome: ScheduleRun['outcome'],
  jobId?: string | null,
  manual?: true,
]

const READ = `
select incarnation, lastDueAtMs, runs from tq_schedule left join tq_run on schedule = name where name = ? and definition <> ''`

const fromRow = ({ runs }: Row) => JSON.parse(String(runs ?? '[]')) as StoredRun[]

/** A tick that was looked ahead and taken back comes again: what is kept of it goes. */
export function noteRun(driver: Driver, tick: Tick, outcome: 'fired' | 'skipped', nowMs: number): void {
  const [row = {}] = driver.all(READ, tick.schedule)
  const run = toRun(tick, outcome, String(row.incarnation), nowMs)
  const before = fromRow(row).filter(([dueAtMs, , , , manual]) => manual || tick.dueAtMs === null || dueAtMs < run[0])
  const kept = JSON.stringify([run, ...before].slice(0, RUNS_KEPT))
  driver.run('insert into tq_run values (?1, ?2) on conflict do update set runs = ?2', tick.schedule, kept)
}

function toRun({ schedule, job, ...tick }: Tick, outcome: 'fired' | 'skipped', incarnation: string, nowMs: number) {
  const dueAtMs = job?.tick?.dueAtMs ?? tick.dueAtMs ?? nowMs
  const jobId = outcome === 'fired' ? (job?.id ?? null) : null
  const facts = [dueAtMs, nowMs, job ? outcome : 'missed'] as const
  if (tick.dueAtMs === null) return [...facts, jobId, true] satisfies StoredRun
  return (jobId === tickJobId(schedule, incarnation, dueAtMs) ? facts : [...facts, jobId]) satisfies StoredRun
}

export function runsStep(driver: Driver, schedule: string): ScheduleRun[] {
  const [row] = driver.all(READ, schedule)
  if (!row) return []
  return fromRow(row)
    .filter(([dueAtMs, , , , manual]) => manual || dueAtMs <= Number(row.lastDueAtMs))
    .map(([dueAtMs, firedAtMs, outcome, id, manual]) => {
      const jobId = id === undefined ? tickJobId(schedule, String(row.incarnation), dueAtMs) : id
      return { dueAtMs, firedAtMs, outcome, jobId, ...(manual ? { manual } : {}) }
    })
}

export function forgetRuns(driver: Driver, schedule: string): void {
  driver.run('delete from tq_run where schedule = ?', schedule)
}
