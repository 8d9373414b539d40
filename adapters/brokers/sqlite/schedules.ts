import type { QueueBounds } from '../../../src/bounds.ts'
import { beatsOf, type FireOutcome, REMOVED_MS, type ScheduleChange, type Tick } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import type { Overlap } from '../../../src/schedule.ts'
import { type DueTick, forgetDue, noteAhead, revokeAhead } from './ahead.ts'
import type { Driver } from './driver.ts'
import { enqueueStep, leaveStub } from './enqueue.ts'
import { afterFinished } from './finished.ts'
import { cancelStep } from './operations.ts'
import { forgetTurns, takeTurn, turnOf } from './overlap.ts'
import { deployedStep, REMOVED } from './read-schedules.ts'
import { forgetRuns, noteRun } from './runs.ts'
import { countChange } from './waiting.ts'

export interface Fired {
  readonly outcomes: readonly FireOutcome[]
  readonly named: readonly string[]
  /** Whether a worker is to hear of a job that is to be cancelled. */
  readonly changed: boolean
}

/** What becomes of a tick whose schedule has moved on, or would have. */
type Fate = 'fired' | 'skipped' | 'full'

/** Fires ticks in order: compares and sets each schedule's (revision, due), and enqueues the job with it. */
export function fireStep(driver: Driver, ticks: readonly Tick[], nowMs: number, bounds?: QueueBounds): Fired {
  const named: string[] = []
  let changed = false
  const outcomes = ticks.map((tick) => {
    if (!bounds && !tick.overlap) return fire(tick)
    // One that has no place is as if it had not been tried: its schedule stays due.
    driver.run('savepoint tq_tick')
    const outcome = fire(tick)
    if (outcome === 'full') driver.run('rollback to tq_tick')
    driver.run('release tq_tick')
    return outcome
  })
  for (const schedule of new Set(ticks.map((tick) => tick.schedule))) forgetDue(driver, schedule, nowMs)
  return { outcomes, named, changed }

  function fire(tick: Tick): FireOutcome {
    const outcome = isDue(tick) ? fireDue(tick) : byHand(driver, tick)
    if (outcome !== 'fired') return outcome
    const { job, overlap } = tick
    const became = overlap && job ? fireInTurn(tick, job, overlap) : store(job, false)
    if (became !== 'full') noteRun(driver, tick, became, nowMs)
    if (became === 'skipped' && job && !isDue(tick)) leaveStub(driver, job, nowMs)
    return became
  }

  function fireDue(tick: DueTick): FireOutcome {
    noteAhead(driver, tick, nowMs)
    return advance(driver, tick)
  }

  function store(job: Job | null, blocked: boolean): Fate {
    if (!job) return 'fired'
    const enqueued = enqueueStep(driver, [job], nowMs, bounds, blocked)
    if (enqueued.outcomes[0] === 'full') return 'full'
    named.push(...enqueued.named)
    return 'fired'
  }

  function fireInTurn(tick: Tick, job: Job, overlap: Overlap): Fate {
    const { becomes, cancels, ...turn } = turnOf(driver, tick, overlap, nowMs)
    named.push(...turn.named)
    if (becomes === 'skipped' || becomes === 'full') return becomes
    if (store(job, becomes === 'blocked') === 'full') return 'full'
    takeTurn(driver, tick.schedule, job.id)
    if (cancelStep(driver, cancels, nowMs).includes('asked')) changed = true
    named.push(...afterFinished(driver, cancels, nowMs))
    return 'fired'
  }
}

const isDue = (tick: Tick): tick is DueTick => tick.dueAtMs !== null

/** Whoever runs a schedule moves nothing: that its job is there, or was, tells a copy. */
function byHand(driver: Driver, { schedule, revision, job }: Tick): FireOutcome {
  const [there] = job ? driver.all('select fingerprint from tq_job where id = ?', job.id) : []
  if (there) return job?.fingerprint === undefined || there.fingerprint === job.fingerprint ? 'existing' : 'conflict'
  const [stored] = driver.all(
    `select revision from tq_schedule where name = ? and definition <> '${REMOVED}'`,
    schedule,
  )
  return job && stored?.revision === revision ? 'fired' : 'moved'
}

/** After missed ticks the one fired is later than the one that was due: no due time may come back to before it. */
function advance(driver: Driver, { schedule, revision, dueAtMs, nextDueAtMs, job }: DueTick): FireOutcome {
  const moved = driver.run(
    'update tq_schedule set lastDueAtMs = ?, dueAtMs = ? where name = ? and revision = ? and dueAtMs = ?',
    job?.tick?.dueAtMs ?? dueAtMs,
    nextDueAtMs,
    schedule,
    revision,
    dueAtMs,
  )
  if (moved === 1) return 'fired'
  const [stored] = driver.all(
    `select lastDueAtMs from tq_schedule where name = ? and definition <> '${REMOVED}'`,
    schedule,
  )
  return typeof stored?.lastDueAtMs === 'number' && stored.lastDueAtMs >= dueAtMs ? 'existing' : 'moved'
}

type Changed = 'set' | 'existing' | 'moved'

export interface ChangedSchedules {
  readonly outcomes: readonly Changed[]
  readonly named: readonly string[]
  /** Whether anything was counted that beats listen for. */
  readonly changed: boolean
}

export function setSchedulesStep(driver: Driver, changes: readonly ScheduleChange[], nowMs: number): ChangedSchedules {
  const named: string[] = []
  const revoke = (name: string) => void named.push(...revokeAhead(driver, name, nowMs))
  const stamps = new Map<string, number>()
  const deployedMs = (app: string) => {
    const stampMs = stamps.get(app) ?? deployedStep(driver, app)?.stampMs ?? 0
    stamps.set(app, stampMs)
    return stampMs
  }
  const outcomes = changes.map((change) => {
    if (hasStamp(change) && deployedMs(change.app) > change.stampMs) return 'moved'
    return change.kind === 'set' ? setSchedule(driver, change, revoke) : removeSchedule(driver, change, revoke, nowMs)
  })
  const removed = changes.filter(({ kind }, at) => kind === 'remove' && outcomes[at] === 'set').length
  if (removed > 0) forgetRemoved(driver, removed + FORGOTTEN_BESIDE, nowMs)
  const changed = new Set(changes.flatMap(({ app }, at) => (outcomes[at] === 'set' ? [beatsOf(app)] : [])))
  for (const beats of changed) countChange(driver, beats)
  return { outcomes, named, changed: changed.size > 0 }
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

/** A change at run time has none: what it is based on fences it. */
function hasStamp({ stampMs, revision }: ScheduleChange): boolean {
  return revision === undefined || stampMs > 0
}

/** Apps' stamps are not compared with each other: what another one has given up is as if it had never been. */
function isOld(change: ScheduleChange, stored: Compared): boolean {
  const isFree = stored.definition === REMOVED && stored.app !== change.app
  return hasStamp(change) && stored.stampMs > change.stampMs && !isFree
}

function isMoved({ revision }: ScheduleChange, stored: Compared | undefined): boolean {
  const seen = stored && stored.definition !== REMOVED ? stored.revision : 0
  return revision !== undefined && revision !== seen
}

const INSERT = `
insert into tq_schedule (name, app, definition, revision, incarnation, dueAtMs, lastDueAtMs, stampMs) values (?, ?, ?, 1, ?, ?, null, ?)`

/** Set again after its removal it starts over; the revision goes on, so that no tick of before fits. */
const REVIVE = `
update tq_schedule set app = ?2, definition = ?3, revision = revision + 1, incarnation = ?6, dueAtMs = ?4, lastDueAtMs = null,
  stampMs = iif(app = ?2, max(stampMs, ?5), ?5)
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

/** When it was is kept as its last due time. */
const REMOVE = `
update tq_schedule set definition = ?2, dueAtMs = null, lastDueAtMs = ?4, revision = revision + 1, stampMs = max(stampMs, ?3) where name = ?1`

function removeSchedule(
  driver: Driver,
  change: ScheduleChange & { kind: 'remove' },
  revoke: (name: string) => void,
  nowMs: number,
): Changed {
  const { name, app, stampMs } = change
  const stored = compared(driver, name)
  if (!stored || stored.app !== app || stored.definition === REMOVED) return 'existing'
  if (isOld(change, stored) || isMoved(change, stored)) return 'moved'
  revoke(name)
  driver.run(REMOVE, name, REMOVED, stampMs, nowMs)
  forgetRuns(driver, name)
  return 'set'
}

/** How many more removed schedules than it removes a step forgets: so they become fewer, however many come and go. */
const FORGOTTEN_BESIDE = 100

const FORGET_REMOVED = `
delete from tq_schedule where name in (
  select name from tq_schedule where definition = '${REMOVED}' and lastDueAtMs <= ? order by lastDueAtMs limit ?
) returning name`

function forgetRemoved(driver: Driver, most: number, nowMs: number): void {
  for (const { name } of driver.all(FORGET_REMOVED, nowMs - REMOVED_MS, most)) forgetTurns(driver, String(name))
}
