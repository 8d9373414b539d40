import { v7 } from 'uuid'
import type { App } from '../src/app.ts'
import { type Broker, MAX_PAGE_SCHEDULES, type ScheduleChange, type StoredSchedule } from '../src/broker.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { InvalidOption, toError } from '../src/errors.ts'
import { type OnEvent, withoutThrowing } from '../src/events.ts'
import type { Schedule } from '../src/schedule.ts'
import { type Calls, createCalls } from './calls.ts'
import { fromDefinition, isAppsRule, isSameRule } from './definition.ts'
import { digestOf } from './digest.ts'
import { pagesOf } from './pages.ts'
import { deployedDefinition, splitDefinition } from './state.ts'

export interface DeployOptions {
  readonly app: App
  readonly broker: Broker
  /** The app's version as a time, such as when it was built: an older one never overwrites a newer one. Default: now, by the broker's clock. */
  readonly stampMs?: number | undefined
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
 * was made or paused at run time stays so, and one that was changed until the app declares another thing than it did. Where nothing
 * has changed since the last deploy, that is all there is to see: a digest of all that is declared says so.
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
  if (stampMs !== undefined) checkStamp(stampMs)
  const calls = createCalls(broker, { clock, random, onEvent })
  return deploy(app, calls, { stampMs: stampMs ?? (() => readNowMs(calls)), newId, onEvent })
}

export function checkStamp(stampMs: number): void {
  if (!(Number.isSafeInteger(stampMs) && stampMs >= 0))
    throw new InvalidOption('stampMs', 'whole milliseconds since the epoch', String(stampMs))
}

/** The broker's time, at no more than a command. */
export async function readNowMs(calls: Calls): Promise<number> {
  return (await calls.schedules({ names: [] })).nowMs
}

export interface Deploy {
  /** Where nobody has given one it is asked for once it is needed. */
  readonly stampMs: number | (() => Promise<number>)
  readonly newId: () => string
  readonly onEvent?: OnEvent | undefined
}

/** How often it looks again at what is changed under it. */
const MAX_ROUNDS = 5

/**
 * The mark of the last deploy is without a digest from before the first change until after the last one: what has stopped half-way
 * is not taken for done. Whoever finds another mark than before begins anew, and gives way to a newer one.
 */
export async function deploy(app: App, calls: Calls, options: Deploy): Promise<DeployReport> {
  const digest = digestOf(app.schedules)
  const done = { set: 0, removed: 0 }
  for (let rounds = 1; ; rounds++) {
    const seen = await calls.deployed(app.name)
    const isSame = seen?.digest === digest
    if (isSame && typeof options.stampMs !== 'number') return { ...done, outdated: false }
    const stampMs = typeof options.stampMs === 'number' ? options.stampMs : await options.stampMs()
    if (seen && seen.stampMs > stampMs) return { ...done, outdated: true }
    if (isSame && seen?.stampMs === stampMs) return { ...done, outdated: false }
    const begun = { stampMs, digest: isSame ? digest : '' }
    if ((await calls.setDeployed(app.name, begun, seen)) === 'moved') continue
    if (isSame) return { ...done, outdated: false }
    const { set, removed, end } = await change(app, calls, { ...options, stampMs })
    done.set += set
    done.removed += removed
    if (end === 'overtaken' && rounds < MAX_ROUNDS) continue
    if (end !== 'complete') return { ...done, outdated: end === 'outdated' }
    if ((await calls.setDeployed(app.name, { stampMs, digest }, begun)) !== 'moved') return { ...done, outdated: false }
  }
}

interface Changing extends Deploy {
  readonly stampMs: number
}

interface Changed {
  readonly set: number
  readonly removed: number
  /**
   * Overtaken by others' changes, or kept out by an app that has the name. Incomplete for a rule that could not tell when it is due.
   * The next deploy tries either again.
   */
  readonly end: 'complete' | 'incomplete' | 'outdated' | 'overtaken'
}

/** Goes through what is stored a page at a time, then through what is new. The mark that is there by then keeps older versions out. */
async function change(app: App, calls: Calls, options: Changing): Promise<Changed> {
  const fresh = new Map(app.schedules.map((schedule) => [schedule.name, schedule]))
  let [set, removed, isComplete, isOvertaken] = [0, 0, true, false]

  async function send(changes: readonly (ScheduleChange | 'same' | 'broken')[]): Promise<void> {
    if (changes.includes('broken')) isComplete = false
    const sent = changes.filter((one) => typeof one === 'object')
    const outcomes = await calls.setSchedules(sent)
    if (outcomes.includes('moved')) isOvertaken = true
    const kinds = sent.flatMap(({ kind }, at) => (outcomes[at] === 'set' ? kind : []))
    set += kinds.filter((kind) => kind === 'set').length
    removed += kinds.filter((kind) => kind === 'remove').length
  }

  let nowMs = 0
  for await (const page of pagesOf(calls.schedules, { app: app.name })) {
    nowMs = page.nowMs
    // Also for schedules that the newer version has removed: the broker no longer knows their stamp.
    if (page.schedules.some(({ stampMs }) => stampMs > options.stampMs)) return { set, removed, end: 'outdated' }
    const changes = page.schedules.map((stored) => {
      const declared = fresh.get(stored.name)
      fresh.delete(stored.name)
      return declared ? setOf(app, declared, stored, nowMs, options) : removalOf(stored, options)
    })
    await send(changes)
  }
  for (const some of slices([...fresh.values()].toSorted(byPattern)))
    await send(some.map((schedule) => setOf(app, schedule, undefined, nowMs, options)))
  if (isOvertaken) return { set, removed, end: 'overtaken' }
  return { set, removed, end: isComplete ? 'complete' : 'incomplete' }
}

/** Those of one pattern after one another: it is parsed once. */
function byPattern(a: Schedule, b: Schedule): number {
  const patternOf = ({ rule }: Schedule) => (rule.kind === 'cron' ? rule.pattern : '')
  const [one, other] = [patternOf(a), patternOf(b)]
  return one === other ? 0 : one < other ? -1 : 1
}

/** Of which the definitions are in memory at once. */
function* slices(schedules: readonly Schedule[]): Generator<readonly Schedule[]> {
  for (let from = 0; from < schedules.length; from += MAX_PAGE_SCHEDULES)
    yield schedules.slice(from, from + MAX_PAGE_SCHEDULES)
}

/** Broken is a rule of the app's own that cannot tell when it is due: what is stored of it stays. */
function setOf(
  app: App,
  schedule: Schedule,
  stored: StoredSchedule | undefined,
  nowMs: number,
  { stampMs, newId, onEvent }: Changing,
): ScheduleChange | 'same' | 'broken' {
  const { name } = schedule
  const definition = deployedDefinition(schedule, stored)
  if (stored?.definition === definition) return 'same'
  try {
    const isPaused = stored !== undefined && splitDefinition(definition).state.paused === true
    const dueAtMs = isPaused ? null : dueOf(schedule, stored, nowMs)
    const set = { kind: 'set', name, app: app.name, definition, dueAtMs, incarnation: newId(), stampMs } as const
    return stored ? { ...set, revision: stored.revision } : set
  } catch (error) {
    if (!isAppsRule(schedule.rule)) throw error
    onEvent?.({ kind: 'beat.broken', schedule: name, reason: toError(error).message })
    return 'broken'
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

/** What was made at run time stays. */
function removalOf(
  { name, app, definition, revision }: StoredSchedule,
  { stampMs }: Changing,
): ScheduleChange | 'same' {
  if (splitDefinition(definition).state.origin === 'runtime') return 'same'
  return { kind: 'remove', name, app, stampMs, revision }
}
