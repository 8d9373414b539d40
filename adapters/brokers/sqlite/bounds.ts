import { DROPPED_ERROR, type QueueBounds } from '../../../src/bounds.ts'
import { type EnqueueOutcome, STUB_MS } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import type { Driver } from './driver.ts'

/** Where a job waits: each is bounded by itself. */
export type Place = 'ready' | 'prioritized' | 'timed'

const COUNT: Readonly<Record<Place, string>> = {
  ready: `select count(*) as jobs from tq_job where queue = ?1 and state = 'queued' and lost = 0 and priority = 0`,
  // Two ranges of the index, and not all that lies between them.
  prioritized: `
select (select count(*) from tq_job where queue = ?1 and state = 'queued' and lost = 0 and priority > 0)
     + (select count(*) from tq_job where queue = ?1 and state = 'queued' and lost = 0 and priority < 0) as jobs`,
  // By an index each.
  timed: `
select (select count(*) from tq_job where queue = ?1 and state in ('scheduled', 'retrying'))
     + (select count(*) from tq_job where queue = ?1 and state = 'blocked') as jobs`,
}

const dropOf = (which: string) => `
update tq_job set state = 'cancelled', atMs = ?2 + ${STUB_MS}, finishedAtMs = ?2, error = ?3
where seq in (select seq from tq_job where queue = ?1 and state = 'queued' and lost = 0 and ${which} limit ?4)
returning id`
const DROP = {
  ready: dropOf('priority = 0 order by seq'),
  prioritized: dropOf('priority <> 0 order by priority, seq'),
} as const

/** Whether what is oldest gives way there; what is due later never does. */
function dropsFrom(place: Place, { whenFull }: QueueBounds): place is keyof typeof DROP {
  return place !== 'timed' && whenFull === 'drop-oldest'
}

/** What one call has put into one place of one queue. */
interface Group {
  readonly place: Place
  readonly queue: string
  readonly created: string[]
}

/**
 * Takes back what was just stored where a place that drops nothing is full by it: its outcomes become `full`. One place of one queue is full
 * for all jobs of a call or for none.
 */
export function takeBackBeyond(driver: Driver, stored: Stored, bounds: QueueBounds): void {
  for (const { place, queue, created } of groupsOf(stored)) {
    if (dropsFrom(place, bounds)) continue
    const max = place === 'timed' ? bounds.maxTimed : bounds.maxReady
    if (jobsBeyond(driver, place, queue, max) > 0) takeBack(driver, stored, new Set(created))
  }
}

/** Drops what is oldest where a place is full by what was just stored. Answers the ids of the dropped. */
export function dropBeyond(driver: Driver, stored: Stored, bounds: QueueBounds, nowMs: number): readonly string[] {
  const dropped: string[] = []
  for (const { place, queue } of groupsOf(stored)) {
    if (!dropsFrom(place, bounds)) continue
    const excess = jobsBeyond(driver, place, queue, bounds.maxReady)
    if (excess > 0)
      dropped.push(...driver.all(DROP[place], queue, nowMs, DROPPED_ERROR, excess).map(({ id }) => String(id)))
  }
  return dropped
}

export interface Stored {
  readonly jobs: readonly Job[]
  readonly places: readonly Place[]
  readonly outcomes: EnqueueOutcome[]
}

function groupsOf({ jobs, places, outcomes }: Stored): Iterable<Group> {
  const groups = new Map<string, Group>()
  let group: Group | undefined
  for (const [at, { id, queue }] of jobs.entries()) {
    if (outcomes[at] !== 'created') continue
    const place = places[at] as Place
    // The jobs of a batch are mostly of one queue.
    if (group?.queue !== queue || group.place !== place) {
      const key = `${place} ${queue}`
      group = groups.get(key) ?? { place, queue, created: [] }
      groups.set(key, group)
    }
    group.created.push(id)
  }
  return groups.values()
}

/** The same job named twice in one call was `existing` only by its first one. */
function takeBack(driver: Driver, { jobs, outcomes }: Stored, ids: ReadonlySet<string>): void {
  driver.run('delete from tq_job where id in (select value from json_each(?))', JSON.stringify([...ids]))
  for (const [at, { id }] of jobs.entries()) if (ids.has(id) && outcomes[at] !== 'conflict') outcomes[at] = 'full'
}

/** When a place was last counted: as long as nobody else has written, it cannot be full before so many own changes. */
interface Room {
  readonly version: number
  readonly untilChange: number
}

const rooms = new WeakMap<Driver, Map<string, Room>>()
const MAX_ROOMS = 1_000
const CHANGES = 'select total_changes() as changes, (select data_version from pragma_data_version) as version' as const

/** How many jobs of a place are beyond the bound, exactly; counted only where there may be any. */
function jobsBeyond(driver: Driver, place: Place, queue: string, max = Number.POSITIVE_INFINITY): number {
  if (max === Number.POSITIVE_INFINITY) return 0
  const known = rooms.get(driver) ?? new Map<string, Room>()
  rooms.set(driver, known)
  const key = `${place} ${max} ${queue}`
  const [row] = driver.all(CHANGES)
  const [changes, version] = [Number(row?.changes), Number(row?.version)]
  const room = known.get(key)
  if (room?.version === version && changes <= room.untilChange) return 0
  if (known.size >= MAX_ROOMS) known.clear()
  const count = Number(driver.all(COUNT[place], queue)[0]?.jobs)
  known.set(key, { version, untilChange: changes + max - count })
  return Math.max(0, count - max)
}
