import { v7 } from 'uuid'
import { type App, unknownTask } from '../src/app.ts'
import { type Broker, MAX_PAGE_SCHEDULES, type StoredSchedule } from '../src/broker.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import {
  InvalidOption,
  JobConflict,
  QueueFull,
  ScheduleDeclared,
  ScheduleExists,
  ScheduleMoved,
  ScheduleNotFound,
  ScheduleUnreadable,
} from '../src/errors.ts'
import { type OnEvent, withoutThrowing } from '../src/events.ts'
import type { Schedule } from '../src/schedule.ts'
import type { ChangeOptions, RunOutcome, ScheduleData, Schedules, ScheduleView } from '../src/schedules.ts'
import { checkWhole } from '../src/whole.ts'
import { createCalls } from './calls.ts'
import { isAppsRule, isSameRule, nextFrom, readDefinition } from './definition.ts'
import { dueOf } from './deploy.ts'
import { dueAfter } from './due-after.ts'
import { checkId, toManualTick, toRunView } from './manual.ts'
import { toMs } from './moment.ts'
import { fromScheduleData } from './schedule-data.ts'
import { toScheduleView } from './schedule-view.ts'
import { changedDefinition, joinDefinition, type ScheduleState, splitDefinition } from './state.ts'

export interface SchedulesOptions {
  readonly broker: Broker
  /** The app whose schedules they are: tasks' names and inputs are then checked before anything is stored. */
  readonly app?: App | undefined
  /** Its name, where the app itself is not known. Without either: the schedules of all apps, and new ones of one that is named `app`. */
  readonly appName?: string | undefined
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: () => string
  readonly onEvent?: OnEvent | undefined
}

/** As `defineApp` has it. */
const DEFAULT_APP = 'app'
/** How often a change is tried that others get ahead of. */
const MAX_TRIES = 5
const MAX_COUNT = 1_000

/** A schedule as it is stored, and the broker's time. */
interface Found {
  readonly stored: StoredSchedule | undefined
  readonly nowMs: number
}

/** What is to be stored of it; null where it is so already. */
type Decide = (found: Found) => Pick<StoredSchedule, 'definition' | 'dueAtMs'> | 'removed' | null

/**
 * Creates the client of schedules: makes, changes, pauses and removes them at run time. Any beat of the app fires them, from the next
 * time that it looks.
 *
 * Each call rejects with what the broker throws when it cannot be reached.
 *
 * @example
 * ```ts
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createSchedules } from 'tq-edge/scheduler'
 *
 * const broker = sqliteBroker({ path: ':memory:' })
 * const schedules = createSchedules({ broker, appName: 'shop' })
 * await schedules.add({
 *   name: 'customer-7:report',
 *   task: 'report',
 *   input: { customer: 7 },
 *   rule: { kind: 'cron', pattern: '0 7 * * 1-5', timezone: 'Europe/Oslo' },
 * })
 * const afterMs = Date.parse('2026-01-09T12:00:00Z') // a Friday
 * const [dueAtMs = 0] = await schedules.next('customer-7:report', { afterMs })
 * console.log(new Date(dueAtMs).toISOString()) // 2026-01-12T06:00:00.000Z
 * console.log((await schedules.pause('customer-7:report')).dueAtMs) // null
 * ```
 */
export function createSchedules(options: SchedulesOptions): Schedules {
  const { broker, app, clock = systemClock, random = Math.random, newId = v7 } = options
  const appName = options.appName ?? app?.name
  const calls = createCalls(broker, { clock, random, onEvent: withoutThrowing(options.onEvent) })

  async function find(name: string): Promise<Found> {
    const { schedules, nowMs } = await calls.schedules({ names: [name] })
    return { stored: schedules[0], nowMs }
  }

  /** One of another app is none. */
  const isOwn = (stored: StoredSchedule | undefined): stored is StoredSchedule =>
    stored !== undefined && (appName === undefined || stored.app === appName)

  function requireOwn(name: string, { stored }: Found): StoredSchedule {
    if (isOwn(stored)) return stored
    throw new ScheduleNotFound(name)
  }

  /** Throws `ScheduleUnreadable` for one that this process cannot tell the due times of. */
  function requireNext(stored: StoredSchedule): Schedule['next'] {
    // While it is paused, that tells of its rhythm.
    const { pausedDueAtMs } = splitDefinition(stored.definition).state
    const dueAtMs = stored.dueAtMs ?? pausedDueAtMs ?? stored.lastDueAtMs
    const next = nextFrom({ ...stored, dueAtMs }, stored.app === app?.name ? app.schedules : [])
    if (next) return next
    throw new ScheduleUnreadable(stored.name)
  }

  /** Reads, decides and writes, again where others were faster. */
  async function change(name: string, decide: Decide, { revision }: ChangeOptions = {}): Promise<void> {
    const ownIncarnation = newId()
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const found = await find(name)
      const { stored } = found
      // It was made by our own call, whose reply was lost.
      if (stored?.incarnation === ownIncarnation) return
      requireRevision(name, isOwn(stored) ? stored.revision : 0, revision)
      const decided = decide(found)
      if (decided === null) return
      const { app: owner = appName ?? DEFAULT_APP, incarnation = ownIncarnation } = stored ?? {}
      const seen = { name, app: owner, stampMs: 0, revision: stored?.revision ?? 0 }
      const [outcome] = await calls.setSchedules([
        decided === 'removed' ? { kind: 'remove', ...seen } : { kind: 'set', ...seen, ...decided, incarnation },
      ])
      // Of one that was not there, `existing` leaves open who has made it.
      if (outcome === 'set' || (outcome === 'existing' && stored)) return
    }
    throw new ScheduleMoved(name, 'left alone meanwhile', 'another change each time')
  }

  async function toDeclared(given: Schedule | ScheduleData): Promise<Schedule> {
    if (!isDeclared(given)) return fromScheduleData(given, app)
    const { name, rule, task, inputOf } = given
    if (isAppsRule(rule))
      throw new InvalidOption(
        `the rule of "${name}"`,
        'one of cron, every, at',
        `one of ${rule.kind}, which only the app's file declares`,
      )
    if (inputOf)
      throw new InvalidOption(`the input of "${name}"`, 'a value', "a function, which only the app's file declares")
    if (app && !app.tasks.has(task)) throw unknownTask(task, app.tasks.keys())
    return given
  }

  async function write(
    given: Schedule | ScheduleData,
    mayReplace: (stored: StoredSchedule) => boolean,
    changeOptions?: ChangeOptions,
  ): Promise<ScheduleView> {
    const schedule = await toDeclared(given)
    const { name } = schedule
    const decide: Decide = ({ stored, nowMs }) => {
      if (stored && !mayReplace(stored)) throw new ScheduleExists(name, stored.app)
      const definition = changedDefinition(schedule, stored)
      if (definition === stored?.definition) return null
      requireComing(schedule, stored, nowMs)
      const { paused } = splitDefinition(definition).state
      return { definition, dueAtMs: paused ? null : dueOf(schedule, stored, nowMs) }
    }
    await change(name, decide, changeOptions)
    return view(name)
  }

  async function setPaused(name: string, paused: boolean, changeOptions?: ChangeOptions): Promise<ScheduleView> {
    const decide: Decide = (found) => {
      const stored = requireOwn(name, found)
      if (!readDefinition(stored.definition)) throw new ScheduleUnreadable(name)
      const { declaration, state } = splitDefinition(stored.definition)
      if (Boolean(state.paused) === paused) return null
      const definition = joinDefinition({
        declaration,
        state: paused ? pausedState(state, stored) : { ...state, ...RESUMED },
      })
      return { definition, dueAtMs: paused ? null : dueFromNow(requireNext(stored), stored, found.nowMs) }
    }
    await change(name, decide, changeOptions)
    return view(name)
  }

  /** What became of a run of our own whose reply was lost. */
  async function ownRun(id: string): Promise<RunOutcome> {
    const [job] = await calls.get([id])
    return job ? { jobId: id, outcome: 'fired' } : { jobId: null, outcome: 'skipped' }
  }

  async function view(name: string): Promise<ScheduleView> {
    const found = await find(name)
    return toScheduleView(requireOwn(name, found), found.nowMs)
  }

  return {
    async list({ app: ofApp = appName, limit = MAX_PAGE_SCHEDULES, cursor } = {}) {
      checkWhole('limit', limit, 1, MAX_PAGE_SCHEDULES)
      const query = {
        limit,
        ...(ofApp === undefined ? {} : { app: ofApp }),
        ...(cursor === undefined ? {} : { cursor }),
      }
      const page = await calls.schedules(query)
      const { nowMs } = page
      return { schedules: page.schedules.map((stored) => toScheduleView(stored, nowMs)), cursor: page.cursor, nowMs }
    },

    async get(name) {
      const { stored, nowMs } = await find(name)
      return isOwn(stored) ? toScheduleView(stored, nowMs) : null
    },

    add: (schedule) => write(schedule, () => false),
    set: (schedule, changeOptions) => write(schedule, isOwn, changeOptions),

    remove(name, changeOptions) {
      const decide: Decide = (found) => {
        const stored = requireOwn(name, found)
        if (splitDefinition(stored.definition).state.origin !== 'runtime') throw new ScheduleDeclared(name, stored.app)
        return 'removed'
      }
      return change(name, decide, changeOptions)
    },

    pause: (name, changeOptions) => setPaused(name, true, changeOptions),
    resume: (name, changeOptions) => setPaused(name, false, changeOptions),

    async next(name, { count = 10, afterMs } = {}) {
      checkWhole('count', count, 1, MAX_COUNT)
      const fromMs = afterMs === undefined ? undefined : toMs('afterMs', afterMs)
      const found = await find(name)
      const stored = requireOwn(name, found)
      if (splitDefinition(stored.definition).state.paused) return []
      return dueAfter(requireNext(stored), fromMs ?? found.nowMs, Number.POSITIVE_INFINITY, count)
    },

    async run(name, { id: given, input, fingerprint } = {}) {
      const id = given ?? newId()
      checkId(id)
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const found = await find(name)
        const tick = await toManualTick(requireOwn(name, found), { id, input, fingerprint, app, nowMs: found.nowMs })
        const [outcome] = await calls.fire([tick])
        if (outcome === 'full') throw new QueueFull(tick.job.queue)
        if (outcome === 'conflict') throw new JobConflict(id)
        if (outcome === 'skipped') return { jobId: null, outcome }
        if (outcome === 'fired') return { jobId: id, outcome }
        if (outcome === 'existing') return given === undefined ? ownRun(id) : { jobId: id, outcome }
      }
      throw new ScheduleMoved(name, 'left alone meanwhile', 'another change each time')
    },

    async history(name) {
      requireOwn(name, await find(name))
      const runs = await calls.runs(name)
      const jobs = await calls.get(runs.flatMap(({ jobId }) => jobId ?? []))
      const byId = new Map(jobs.flatMap((job) => (job ? [[job.id, job]] : [])))
      return runs.map((run) => toRunView(run, byId.get(run.jobId ?? '')))
    },
  }
}

const RESUMED = { paused: undefined, pausedDueAtMs: undefined }

function pausedState(state: ScheduleState, { dueAtMs }: StoredSchedule): ScheduleState {
  return { ...state, paused: true, pausedDueAtMs: dueAtMs ?? undefined }
}

/** What comes as JSON carries no function, whatever else it is. */
function isDeclared(given: Schedule | ScheduleData): given is Schedule {
  return typeof (given as Partial<Schedule> | null)?.next === 'function'
}

function requireRevision(name: string, found: number, wanted: number | undefined): void {
  if (wanted === undefined || wanted === found) return
  const told = (revision: number) => (revision === 0 ? 'not there' : `at revision ${revision}`)
  throw new ScheduleMoved(name, told(wanted), told(found))
}

/** Whoever sets a rule that is over has made a mistake, which nothing else would tell. */
function requireComing({ name, rule, next }: Schedule, stored: StoredSchedule | undefined, nowMs: number): void {
  const before = stored && readDefinition(stored.definition)
  if ((before && isSameRule(before.rule, rule)) || rule.enabled === false || next(nowMs) !== null) return
  throw new InvalidOption(
    `the rule of "${name}"`,
    'due at some time from now on',
    `none after ${new Date(nowMs).toISOString()}`,
  )
}

/** Never at or before what was fired already: also not what was looked ahead and could not be taken back. */
function dueFromNow(next: Schedule['next'], { lastDueAtMs }: StoredSchedule, nowMs: number): number | null {
  return next(Math.max(nowMs, lastDueAtMs ?? 0))
}
