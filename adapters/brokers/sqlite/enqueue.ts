import type { QueueBounds } from '../../../src/bounds.ts'
import { type EnqueueOutcome, STUB_MS } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import { dropBeyond, type Place, takeBackBeyond } from './bounds.ts'
import type { Driver, SqlValue } from './driver.ts'
import { afterFinished } from './finished.ts'
import { nameWaiting, queueTopic } from './waiting.ts'

const COLUMNS = 'id, task, queue, state, priority, createdAtMs, atMs, v, tick, tags, fingerprint, callbacks, input'
const PLACES = '(?,?,?,?,?,?,?,?,?,?,?,?,?)'
/** Rows per statement: long enough to save calls, short enough to keep the statement small; fewer for the jobs of some requests at once. */
const CHUNKS = [50, 10] as const

const insertOf = (rows: number) =>
  `insert into tq_job (${COLUMNS}) values ${Array(rows).fill(PLACES).join(',')} on conflict (id) do nothing`
const INSERT = { 1: insertOf(1), 10: insertOf(10), 50: insertOf(50) } as const

export interface Enqueued {
  readonly outcomes: readonly EnqueueOutcome[]
  /** The waiters to hint once the step has committed. */
  readonly named: readonly string[]
}

/** Stores jobs, inside the caller's transaction. Those that are blocked wait until they are freed. */
export function enqueueStep(
  driver: Driver,
  jobs: readonly Job[],
  nowMs: number,
  bounds?: QueueBounds,
  blocked = false,
): Enqueued {
  const outcomes: EnqueueOutcome[] = []
  while (outcomes.length < jobs.length) {
    const left = jobs.length - outcomes.length
    const rows = CHUNKS.find((most) => most <= left) ?? 1
    const chunk = jobs.slice(outcomes.length, outcomes.length + rows)
    const created = rows !== 1 && insertChunk(driver, chunk, rows, nowMs, blocked)
    for (const job of chunk) outcomes.push(created ? 'created' : insertOne(driver, job, nowMs, blocked))
  }
  keepTogether(driver, jobs, outcomes)
  const named = blocked ? [] : nameForJobs(driver, jobs, nowMs)
  if (!bounds) return { outcomes, named }
  const places = jobs.map((job) => (blocked ? 'timed' : placeOf(job, nowMs)))
  const stored = { jobs, places, outcomes }
  takeBackBeyond(driver, stored, bounds)
  keepTogether(driver, jobs, outcomes)
  // Last: none is to give way to a job that is taken back.
  const dropped = dropBeyond(driver, stored, bounds, nowMs)
  return { outcomes, named: [...named, ...afterFinished(driver, dropped, nowMs, { dropped: true })] }
}

function placeOf(job: Job, nowMs: number): Place {
  if (dueAtMs(job, nowMs) !== null) return 'timed'
  return job.priority === 0 ? 'ready' : 'prioritized'
}

/** All of a chunk as new jobs, or none of them (and false) when one is there already. */
function insertChunk(
  driver: Driver,
  chunk: readonly Job[],
  rows: (typeof CHUNKS)[number],
  nowMs: number,
  blocked: boolean,
): boolean {
  driver.run('savepoint tq_chunk')
  const created = driver.run(INSERT[rows], ...chunk.flatMap((job) => valuesOf(job, nowMs, blocked))) === rows
  if (!created) driver.run('rollback to tq_chunk')
  driver.run('release tq_chunk')
  return created
}

function insertOne(driver: Driver, job: Job, nowMs: number, blocked: boolean): EnqueueOutcome {
  if (driver.run(INSERT[1], ...valuesOf(job, nowMs, blocked)) === 1) return 'created'
  const [same] = driver.all(
    `select iif(?1 is null, state = 'removed' or (task = ?2 and input = ?3), fingerprint is ?1) as same from tq_job where id = ?4`,
    job.fingerprint ?? null,
    job.task,
    job.input,
    job.id,
  )
  return same?.same === 1 ? 'existing' : 'conflict'
}

/** What an outcome says for those of the same request: the highest counts. */
const SAYS: Readonly<Record<EnqueueOutcome, number>> = { created: 0, full: 1, existing: 2, conflict: 3 }

/** Jobs of one request, by its fingerprint, are stored together or not at all: takes back those that others of theirs say are not. */
function keepTogether(driver: Driver, jobs: readonly Job[], outcomes: EnqueueOutcome[]): void {
  const requests = new Map<string, EnqueueOutcome>()
  const made = new Set<string>()
  for (const [at, { id, fingerprint }] of jobs.entries()) {
    if (outcomes[at] === 'created') made.add(id)
    // Named twice it is there by its first one alone.
    const outcome = made.has(id) && outcomes[at] === 'existing' ? 'created' : (outcomes[at] as EnqueueOutcome)
    const highest = requests.get(fingerprint ?? '') ?? 'created'
    if (fingerprint !== undefined && SAYS[outcome] > SAYS[highest]) requests.set(fingerprint, outcome)
  }
  if (requests.size === 0) return
  const wrong = jobs.flatMap(({ id, fingerprint = '' }, at) =>
    outcomes[at] === 'created' && requests.has(fingerprint) ? [id] : [],
  )
  driver.run('delete from tq_job where id in (select value from json_each(?))', JSON.stringify(wrong))
  for (const [at, { fingerprint = '' }] of jobs.entries())
    outcomes[at] = requests.get(fingerprint) ?? (outcomes[at] as EnqueueOutcome)
}

const LEAVE_STUB = `
insert into tq_job (id, task, queue, state, priority, createdAtMs, atMs, fingerprint, input) values (?, ?, ?, 'removed', 0, ?, ?, ?, '')
on conflict (id) do nothing`

/** Of a job that is not stored, so that a late copy of what would have stored it does not either. */
export function leaveStub(driver: Driver, { id, task, queue, createdAtMs, fingerprint }: Job, nowMs: number): void {
  driver.run(LEAVE_STUB, id, task, queue, createdAtMs, nowMs + STUB_MS, fingerprint ?? null)
}

function valuesOf(job: Job, nowMs: number, blocked: boolean): SqlValue[] {
  const atMs = blocked ? null : dueAtMs(job, nowMs)
  const state = blocked ? 'blocked' : atMs === null ? 'queued' : 'scheduled'
  const tick = job.tick ? JSON.stringify(job.tick) : null
  const tags = job.tags?.length ? JSON.stringify(job.tags) : null
  const callbacks = callbacksOf(job)
  const { id, task, queue, priority, createdAtMs, v = 1, fingerprint = null, input } = job
  return [id, task, queue, state, priority, createdAtMs, atMs, v, tick, tags, fingerprint, callbacks, input]
}

function callbacksOf({ onSuccess, onFailure }: Job): string | null {
  return onSuccess || onFailure ? JSON.stringify({ onSuccess, onFailure }) : null
}

/** Null when the job is due by now. */
function dueAtMs({ delayMs, dueAtMs: absoluteMs }: Job, nowMs: number): number | null {
  const atMs = absoluteMs ?? (delayMs ? nowMs + delayMs : nowMs)
  return atMs > nowMs ? Math.round(atMs) : null
}

function nameForJobs(driver: Driver, jobs: readonly Job[], nowMs: number): string[] {
  const queues = new Set(jobs.map(({ queue }) => queue))
  return [...queues].flatMap((queue) => nameWaiting(driver, queueTopic(queue), nowMs))
}
