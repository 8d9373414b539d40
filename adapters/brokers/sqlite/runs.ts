/** What is kept of each schedule's last ticks: one row each, newest first. */
import { RUNS_KEPT, type ScheduleRun, type Tick } from '../../../src/broker.ts'
import { tickJobId } from '../../../src/job.ts'
import type { Driver, Row } from './driver.ts'

/** The job's id is left out where it follows from the rest, as a beat's do; null where there is none. */
type StoredRun = readonly [dueAtMs: number, firedAtMs: number, outcome: ScheduleRun['outcome'], jobId?: string | null]

const READ = `
select incarnation, lastDueAtMs, runs from tq_schedule left join tq_run on schedule = name where name = ? and definition <> ''`

const fromRow = ({ runs }: Row) => JSON.parse(String(runs ?? '[]')) as StoredRun[]

/** A tick that was looked ahead and taken back comes again: what is kept of it goes. */
export function noteRun(driver: Driver, tick: Tick, outcome: 'fired' | 'skipped', nowMs: number): void {
  const { schedule, job } = tick
  const dueAtMs = job?.tick?.dueAtMs ?? tick.dueAtMs
  const [row] = driver.all(READ, schedule)
  const jobId = outcome === 'fired' ? (job?.id ?? null) : null
  const follows = jobId === tickJobId(schedule, String(row?.incarnation), dueAtMs)
  const facts = [dueAtMs, nowMs, job ? outcome : 'missed'] as const
  const run: StoredRun = follows ? facts : [...facts, jobId]
  const before = fromRow(row ?? {}).filter(([earlierMs]) => earlierMs < dueAtMs)
  const kept = JSON.stringify([run, ...before].slice(0, RUNS_KEPT))
  driver.run('insert into tq_run values (?1, ?2) on conflict do update set runs = ?2', schedule, kept)
}

export function runsStep(driver: Driver, schedule: string): ScheduleRun[] {
  const [row] = driver.all(READ, schedule)
  if (!row) return []
  return fromRow(row)
    .filter(([dueAtMs]) => dueAtMs <= Number(row.lastDueAtMs))
    .map(([dueAtMs, firedAtMs, outcome, jobId = tickJobId(schedule, String(row.incarnation), dueAtMs)]) => ({
      dueAtMs,
      firedAtMs,
      outcome,
      jobId,
    }))
}

export function forgetRuns(driver: Driver, schedule: string): void {
  driver.run('delete from tq_run where schedule = ?', schedule)
}
