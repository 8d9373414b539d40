import type { JobError, JobRecord, JobTick } from '../../../src/job.ts'
import type { JobState } from '../../../src/words.ts'

export const STATES: Readonly<Record<string, JobState>> = {
  q: 'queued',
  t: 'scheduled',
  b: 'blocked',
  y: 'retrying',
  s: 'succeeded',
  f: 'failed',
  c: 'cancelled',
}

const HEAD_LINES = 5

/** The six lines of a record, as `lua.ts` describes them. */
export interface Parsed {
  readonly state: string
  readonly epoch: number
  readonly attempts: number
  readonly lost: number
  readonly atMs: number
  readonly finishedAtMs: number
  readonly priority: number
  readonly queue: string
  readonly meta: string
  readonly error: string
  readonly progress: string
  readonly body: string
}

export function parseRecord(text: string): Parsed {
  const lines: string[] = []
  let from = 0
  for (let line = 0; line < HEAD_LINES; line++) {
    const end = text.indexOf('\n', from)
    lines.push(text.slice(from, end))
    from = end + 1
  }
  const [head = '', meta = '', , error = '', progress = ''] = lines
  const [state = '', epoch, attempts, lost, atMs, finishedAtMs, priority, ...queue] = head.split('|')
  return {
    state,
    epoch: Number(epoch),
    attempts: Number(attempts),
    lost: Number(lost),
    atMs: Number(atMs),
    finishedAtMs: Number(finishedAtMs),
    priority: Number(priority),
    queue: queue.join('|'),
    meta,
    error,
    progress,
    body: text.slice(from),
  }
}

/** Where the last line begins: the input, or what has become of it. */
export function bodyStart(text: string): number {
  let from = 0
  for (let line = 0; line < HEAD_LINES; line++) from = text.indexOf('\n', from) + 1
  return from
}

export interface Meta {
  readonly task: string
  readonly createdAtMs: number
  readonly v: number
  readonly tick: JobTick | null
  readonly tags?: readonly string[]
}

export function fromMeta(meta: string): Meta {
  const [task = '', createdAtMs = '', v = ''] = meta.split('|', 3)
  const more = meta.slice(task.length + createdAtMs.length + v.length + 3)
  return { task, createdAtMs: Number(createdAtMs), v: v === '' ? 1 : Number(v), ...fromMore(more) }
}

/** Of what else stands there, or will, scripts read some. */
function fromMore(more: string): Pick<Meta, 'tick' | 'tags'> {
  if (more === '') return { tick: null }
  const { tags, schedule, dueAtMs, lateMs, catchUp } = JSON.parse(more) as JobTick & Pick<Meta, 'tags'>
  const tick = schedule === undefined ? null : { schedule, dueAtMs, lateMs, catchUp }
  return { tick, ...(tags ? { tags } : {}) }
}

/** Null for a stub of a removed job. */
export function toRecord(id: string, text: string): JobRecord | null {
  const { state: letter, meta, error, progress, body, ...parsed } = parseRecord(text)
  const state = STATES[letter]
  if (state === undefined) return null
  const { task, createdAtMs, tick, tags = [] } = fromMeta(meta)
  return {
    id,
    task,
    queue: parsed.queue,
    state,
    priority: parsed.priority,
    input: state === 'succeeded' ? null : body,
    createdAtMs,
    atMs: parsed.atMs || null,
    finishedAtMs: parsed.finishedAtMs || null,
    attempts: parsed.attempts,
    lost: parsed.lost,
    epoch: parsed.epoch,
    result: state === 'succeeded' ? body.slice(body.indexOf('\t') + 1) : null,
    error: error === '' ? null : (JSON.parse(error) as JobError),
    progress: progress === '' ? null : progress,
    tick,
    tags,
  }
}

/** A record whose job a worker holds: the lease says so, the record does not. */
export function toActive(record: JobRecord, leaseScore: number): JobRecord {
  return { ...record, state: 'active', atMs: Math.floor(leaseScore / 1024), epoch: record.epoch + 1 }
}
