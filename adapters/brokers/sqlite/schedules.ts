import type { QueueBounds } from '../../../src/bounds.ts'
import type {
  FireOutcome,
  ScheduleChange,
  SchedulePage,
  ScheduleQuery,
  StoredSchedule,
  Tick,
} from '../../../src/broker.ts'
import { forgetDue, noteAhead, revokeAhead } from './ahead.ts'
import type { Driver, Row } from './driver.ts'
import { enqueueStep } from './enqueue.ts'

export interface Fired {
  readonly outcomes: readonly FireOutcome[]
  readonly named: readonly string[]
}

/** Fires ticks in order: compares and sets each schedule's (revision, due), and enqueues the job with it. */
export function fireStep(driver: Driver, ticks: readonly Tick[], nowMs: number, bounds?: QueueBounds): Fired {
  const named: string[] = []
  const outcomes = ticks.map((tick) => {
    // One whose queue is full is as if it had not been tried: its schedule stays due.
    if (bounds) driver.run('savepoint tq_tick')
    const outcome = fire(tick)
    if (outcome === 'full') driver.run('rollback to tq_tick')
    if (bounds) driver.run('release tq_tick')
    return outcome
  })
  for (const schedule of new Set(ticks.map((tick) => tick.schedule))) forgetDue(driver, schedule, nowMs)
  return { outcomes, named }

  function fire(tick: Tick): FireOutcome {
    noteAhead(driver, tick, nowMs)
    const outcome = advance(driver, tick)
    if (outcome !== 'fired' || !tick.job) return outcome
    const enqueued = enqueueStep(driver, [tick.job], nowMs, bounds)
    if (enqueued.outcomes[0] === 'full') return 'full'
    named.push(...enqueued.named)
    return outcome
  }
}

/** After missed ticks the one fired is later than the one that was due: no due time may come back to before it. */
function advance(driver: Driver, { schedule, revision, dueAtMs, nextDueAtMs, job }: Tick): FireOutcome {
  const moved = driver.run(
    'update tq_schedule set lastDueAtMs = ?, dueAtMs = ? where name = ? and revision = ? and dueAtMs = ?',
    job?.tick?.dueAtMs ?? dueAtMs,
    nextDueAtMs,
    schedule,
    revision,
    dueAtMs,
  )
  if (moved === 1) return 'fired'
  const [stored] = driver.all('select lastDueAtMs from tq_schedule where name = ?', schedule)
  return typeof stored?.lastDueAtMs === 'number' && stored.lastDueAtMs >= dueAtMs ? 'existing' : 'moved'
}

/** The definition of a schedule that was removed: its row stays, so that what is older than the removal cannot bring it back. */
const REMOVED = ''

export function schedulesStep(
  driver: Driver,
  { due = false, aheadMs = 0, app }: ScheduleQuery,
  nowMs: number,
): SchedulePage {
  const rows = driver.all(
    `select * from tq_schedule where definition <> '${REMOVED}' and (?1 is null or dueAtMs <= ?1) and (?2 is null or app = ?2) order by dueAtMs, name`,
    due ? nowMs + aheadMs : null,
    app ?? null,
  )
  const [next] = driver.all(
    'select min(dueAtMs) as dueAtMs from tq_schedule where dueAtMs is not null and (?1 is null or app = ?1)',
    app ?? null,
  )
  return { nowMs, schedules: rows.map(toStoredSchedule), nextDueAtMs: (next?.dueAtMs as number | null) ?? null }
}

function toStoredSchedule(row: Row): StoredSchedule {
  return {
    name: row.name as string,
    app: row.app as string,
    definition: row.definition as string,
    revision: row.revision as number,
    incarnation: row.incarnation as string,
    dueAtMs: row.dueAtMs as number | null,
    lastDueAtMs: row.lastDueAtMs as number | null,
    stampMs: row.stampMs as number,
  }
}

type Changed = 'set' | 'existing' | 'moved'

export interface ChangedSchedules {
  readonly outcomes: readonly Changed[]
  readonly named: readonly string[]
}

export function setSchedulesStep(driver: Driver, changes: readonly ScheduleChange[], nowMs: number): ChangedSchedules {
  const named: string[] = []
  const revoke = (name: string) => void named.push(...revokeAhead(driver, name, nowMs))
  const outcomes = changes.map((change) =>
    change.kind === 'set' ? setSchedule(driver, change, revoke) : removeSchedule(driver, change, revoke),
  )
  return { outcomes, named }
}

/** What a change is compared with. */
interface Compared {
  readonly app: string
  readonly definition: string
  readonly revision: number
  readonly incarnation: string
  readonly stampMs: number
}

function compared(driver: Driver, name: string): Compared | undefined {
  const query = 'select app, definition, revision, incarnation, stampMs from tq_schedule where name = ?'
  return driver.all(query, name)[0] as Compared | undefined
}

/** A change at run time has no stamp: what it is based on fences it. */
function isOld({ stampMs, revision }: ScheduleChange, stored: Compared): boolean {
  return stored.stampMs > stampMs && (revision === undefined || stampMs > 0)
}

function isMoved({ revision }: ScheduleChange, stored: Compared | undefined): boolean {
  const seen = stored && stored.definition !== REMOVED ? stored.revision : 0
  return revision !== undefined && revision !== seen
}

const INSERT = `
insert into tq_schedule (name, app, definition, revision, incarnation, dueAtMs, lastDueAtMs, stampMs) values (?, ?, ?, 1, ?, ?, null, ?)`

/** Set again after its removal it starts over; the revision goes on, so that no tick of before fits. */
const REVIVE = `
update tq_schedule set app = ?2, definition = ?3, revision = revision + 1, incarnation = ?6, stampMs = max(stampMs, ?5), dueAtMs = ?4,
  lastDueAtMs = null
where name = ?1`

/** Due never goes back to or before the last one fired; the revision fences ticks computed from the old definition. */
const UPDATE = `
update tq_schedule set app = ?2, definition = ?3, revision = revision + 1, stampMs = max(stampMs, ?5),
  dueAtMs = iif(lastDueAtMs is null or ?4 is null or ?4 > lastDueAtMs, ?4, dueAtMs)
where name = ?1`

function setSchedule(
  driver: Driver,
  change: ScheduleChange & { kind: 'set' },
  revoke: (name: string) => void,
): Changed {
  const { name, app, definition, dueAtMs, incarnation, stampMs, revision } = change
  const stored = compared(driver, name)
  const same = stored?.definition === definition && stored.app === app
  if (isMoved(change, stored) && !same) return 'moved'
  if (!stored) {
    driver.run(INSERT, name, app, definition, incarnation, dueAtMs, stampMs)
    return 'set'
  }
  if (isOld(change, stored)) return 'moved'
  if (same) {
    driver.run('update tq_schedule set stampMs = ?2 where name = ?1 and stampMs < ?2', name, stampMs)
    return 'existing'
  }
  const removed = stored.definition === REMOVED
  // A copy of what was stored and removed since.
  if (removed && revision !== undefined && stored.incarnation === incarnation) return 'moved'
  revoke(name)
  if (removed) driver.run(REVIVE, name, app, definition, dueAtMs, stampMs, incarnation)
  else driver.run(UPDATE, name, app, definition, dueAtMs, stampMs)
  return 'set'
}

const REMOVE = `
update tq_schedule set definition = ?2, dueAtMs = null, revision = revision + 1, stampMs = max(stampMs, ?3) where name = ?1`

function removeSchedule(
  driver: Driver,
  change: ScheduleChange & { kind: 'remove' },
  revoke: (name: string) => void,
): Changed {
  const { name, app, stampMs } = change
  const stored = compared(driver, name)
  if (!stored || stored.app !== app || stored.definition === REMOVED) return 'existing'
  if (isOld(change, stored) || isMoved(change, stored)) return 'moved'
  revoke(name)
  driver.run(REMOVE, name, REMOVED, stampMs)
  return 'set'
}
