import { v7 } from 'uuid'
import type { App } from '../src/app.ts'
import type { Broker, ScheduleChange, StoredSchedule } from '../src/broker.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { InvalidOption, toError } from '../src/errors.ts'
import { type OnEvent, withoutThrowing } from '../src/events.ts'
import type { Schedule } from '../src/schedule.ts'
import { type Calls, createCalls } from './calls.ts'
import { fromDefinition, isSameRule } from './definition.ts'
import { deployedDefinition, splitDefinition } from './state.ts'

export interface DeployOptions {
  readonly app: App
  readonly broker: Broker
  /** The app's version as a time, such as when it was built: an older one never overwrites a newer one. */
  readonly stampMs: number
  readonly newId?: () => string
  readonly clock?: Clock
  readonly random?: () => number
  readonly onEvent?: OnEvent | undefined
}

export interface DeployReport {
  /** Schedules that are new or have changed. */
  readonly set: number
  /** Schedules that the app no longer has. */
  readonly removed: number
  /** True when a newer version of the app is there already, and nothing was changed. */
  readonly outdated: boolean
}

/**
 * Stores the app's schedules, and removes those that it no longer has. A schedule that has not changed keeps its due time; one that
 * was made or paused at run time stays so, and one that was changed until the app declares another thing than it did.
 *
 * Throws `InvalidOption` for a stamp that cannot be, and what the broker throws when it cannot be reached.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask } from 'tq-edge'
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { deploySchedules, every } from 'tq-edge/scheduler'
 *
 * const check = defineTask({ name: 'check', run: () => 'ok' })
 * const app = defineApp({ tasks: [check], schedules: [every('checks', '30s', { task: check })] })
 * const report = await deploySchedules({ app, broker: sqliteBroker({ path: ':memory:' }), stampMs: Date.now() })
 * console.log(report.set) // 1
 * ```
 */
export async function deploySchedules({
  app,
  broker,
  stampMs,
  newId = v7,
  clock = systemClock,
  random = Math.random,
  ...given
}: DeployOptions): Promise<DeployReport> {
  const onEvent = withoutThrowing(given.onEvent)
  checkStamp(stampMs)
  return deploy(app, createCalls(broker, { clock, random, onEvent }), { stampMs, newId, onEvent })
}

export function checkStamp(stampMs: number): void {
  if (!(Number.isSafeInteger(stampMs) && stampMs >= 0))
    throw new InvalidOption('stampMs', 'whole milliseconds since the epoch', String(stampMs))
}

export interface Deploy {
  readonly stampMs: number
  readonly newId: () => string
  readonly onEvent?: OnEvent | undefined
}

/** How often it looks again at what is changed under it. */
const MAX_ROUNDS = 5

export async function deploy(app: App, calls: Calls, options: Deploy): Promise<DeployReport> {
  const report = { set: 0, removed: 0, outdated: false }
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { set, removed, outdated, overtaken } = await deployRound(app, calls, options)
    report.set += set
    report.removed += removed
    report.outdated = outdated
    if (!overtaken) break
  }
  return report
}

async function deployRound(app: App, calls: Calls, options: Deploy): Promise<DeployReport & { overtaken: boolean }> {
  const { nowMs, schedules } = await calls.schedules({ app: app.name })
  // Also for schedules that the newer version has removed: the broker no longer knows their stamp.
  if (schedules.some(({ stampMs }) => stampMs > options.stampMs))
    return { set: 0, removed: 0, outdated: true, overtaken: false }
  const stored = new Map(schedules.map((schedule) => [schedule.name, schedule]))
  const sets = app.schedules.flatMap(
    (schedule) => setOf(app, schedule, stored.get(schedule.name), nowMs, options) ?? [],
  )
  const changes = [...sets, ...gone(app, schedules, options)]
  const outcomes = await calls.setSchedules(changes)
  const count = (from: number, to?: number) => outcomes.slice(from, to).filter((outcome) => outcome === 'set').length
  const overtaken = changes.some(({ revision }, at) => revision !== undefined && outcomes[at] === 'moved')
  return { set: count(0, sets.length), removed: count(sets.length), outdated: false, overtaken }
}

/** Null for a rule of the app's own that cannot tell when it is due: what is stored of it stays. */
function setOf(
  app: App,
  schedule: Schedule,
  stored: StoredSchedule | undefined,
  nowMs: number,
  { stampMs, newId, onEvent }: Deploy,
): ScheduleChange | null {
  const { name } = schedule
  try {
    const definition = deployedDefinition(schedule, stored)
    const isPaused = stored !== undefined && splitDefinition(definition).state.paused === true
    const dueAtMs = isPaused ? null : dueOf(schedule, stored, nowMs)
    const change = { kind: 'set', name, app: app.name, definition, dueAtMs, incarnation: newId(), stampMs } as const
    return stored ? { ...change, revision: stored.revision } : change
  } catch (error) {
    if (schedule.rule.kind !== 'custom') throw error
    onEvent?.({ kind: 'beat.broken', schedule: name, reason: toError(error).message })
    return null
  }
}

/**
 * A changed input or queue loses no tick that is due and not yet fired; a changed rule starts afresh. What was looked ahead is not
 * fired any more after a change: the broker takes it back, and no due time goes back to before what stays fired.
 */
export function dueOf(schedule: Schedule, stored: StoredSchedule | undefined, nowMs: number): number | null {
  const before = stored && fromDefinition(stored, [schedule])
  if (!before || !isSameRule(before.rule, schedule.rule)) return schedule.next(nowMs)
  return (stored.lastDueAtMs ?? 0) <= nowMs ? stored.dueAtMs : before.next(nowMs)
}

function gone(app: App, schedules: readonly StoredSchedule[], { stampMs }: Deploy): ScheduleChange[] {
  const kept = new Set(app.schedules.map(({ name }) => name))
  return schedules
    .filter(({ name, definition }) => !kept.has(name) && splitDefinition(definition).state.origin !== 'runtime')
    .map(({ name, revision }) => ({ kind: 'remove', name, app: app.name, stampMs, revision }))
}
