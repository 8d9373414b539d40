import {
  type DeployMark,
  MAX_BATCH_BYTES,
  MAX_PAGE_SCHEDULES,
  type SchedulePage,
  type ScheduleQuery,
  type StoredSchedule,
} from '../../../src/broker.ts'
import { checkPage, toDueCursor, toDuePosition } from '../../../src/schedule-page.ts'
import type { Driver, Row, SqlValue } from './driver.ts'

/** The definition of a schedule that was removed: its row stays, so that what is older than the removal cannot bring it back. */
export const REMOVED = ''

/** A statement for each kind of query, so that each has its index. */
export function schedulesStep(driver: Driver, query: ScheduleQuery, nowMs: number): SchedulePage {
  const { due = false, app = null, names, limit, cursor } = query
  checkPage(query)
  const page = (schedules: readonly StoredSchedule[]) => ({ nowMs, schedules, nextDueAtMs: null, cursor: null })
  if (names) return page(read(driver, BY_NAMES, app, JSON.stringify(names)))
  if (due && app !== null) return readDue(driver, query, app, nowMs)
  if (due) return readAllDue(driver, query, nowMs)
  if (limit === undefined && cursor === undefined) return page(read(driver, ALL, app))
  return readPage(driver, query, nowMs)
}

const SOME = `select * from tq_schedule where definition <> '${REMOVED}'`
const ALL = `${SOME} and (?1 is null or app = ?1) order by dueAtMs is null, dueAtMs, name`
const NAMED = `${SOME} and (?1 is null or app = ?1) and name in (select value from json_each(?2))`
const BY_NAMES = `${NAMED} order by name`
const BY_NAMES_DUE = `${NAMED} order by dueAtMs, name`
const ALL_DUE = `${SOME} and dueAtMs <= ?1 order by dueAtMs, name`
const NEXT_OF_ALL = 'select min(dueAtMs) as dueAtMs from tq_schedule where dueAtMs > ?'

/** Of how much they are, before they are read. */
const SIZES = 'select name, dueAtMs, length(definition) as size from tq_schedule'
const PAGE = `${SIZES} where name > ?1 and definition <> '${REMOVED}' and (?2 is null or app = ?2) order by name limit ?3`
const DUE = `${SIZES} where app = ?1 and dueAtMs <= ?2 and (dueAtMs, name) > (?3, ?4) order by dueAtMs, name limit ?5`
const NEXT = 'select dueAtMs from tq_schedule where app = ? and dueAtMs > ? order by dueAtMs limit 1'

function readPage(driver: Driver, query: ScheduleQuery, nowMs: number): SchedulePage {
  const { app = null, limit = MAX_PAGE_SCHEDULES, cursor = '' } = query
  const { names, last } = fitting(driver.all(PAGE, cursor, app, limit + 1), limit)
  const schedules = read(driver, BY_NAMES, app, JSON.stringify(names))
  return { nowMs, schedules, nextDueAtMs: null, cursor: last ? String(last.name) : null }
}

function readDue(driver: Driver, query: ScheduleQuery, app: string, nowMs: number): SchedulePage {
  const { aheadMs = 0, limit = MAX_PAGE_SCHEDULES, cursor } = query
  const untilMs = nowMs + aheadMs
  const behind = cursor === undefined ? { dueAtMs: 0, name: '' } : toDuePosition(cursor)
  const { names, last } = fitting(driver.all(DUE, app, untilMs, behind.dueAtMs, behind.name, limit + 1), limit)
  const schedules = read(driver, BY_NAMES_DUE, app, JSON.stringify(names))
  const [next] = last ? [{ dueAtMs: nowMs }] : driver.all(NEXT, app, untilMs)
  return {
    nowMs,
    schedules,
    nextDueAtMs: (next?.dueAtMs as number | undefined) ?? null,
    cursor: last ? toDueCursor({ dueAtMs: Number(last.dueAtMs), name: String(last.name) }) : null,
  }
}

function readAllDue(driver: Driver, { aheadMs = 0 }: ScheduleQuery, nowMs: number): SchedulePage {
  const [next] = driver.all(NEXT_OF_ALL, nowMs + aheadMs)
  const schedules = read(driver, ALL_DUE, nowMs + aheadMs)
  return { nowMs, schedules, nextDueAtMs: (next?.dueAtMs as number | null) ?? null, cursor: null }
}

/** As many as are asked for and as one call may bring; the last of them where there are more. */
function fitting(rows: readonly Row[], limit: number): { names: readonly string[]; last: Row | undefined } {
  let bytes = 0
  const beyond = rows.findIndex((row, at) => {
    bytes += Number(row.size)
    return at >= limit || (at > 0 && bytes > MAX_BATCH_BYTES)
  })
  const fit = beyond === -1 ? rows : rows.slice(0, beyond)
  return { names: fit.map(({ name }) => String(name)), last: beyond === -1 ? undefined : fit[fit.length - 1] }
}

const read = (driver: Driver, sql: string, ...values: SqlValue[]) => driver.all(sql, ...values).map(toStoredSchedule)

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

/** Stands for what was deployed of an app where a removed schedule would: whatever loses the schedules loses it as well. No schedule begins with @. */
const markOf = (app: string) => `@${app}`

export function deployedStep(driver: Driver, app: string): DeployMark | null {
  const [row] = driver.all('select stampMs, incarnation from tq_schedule where name = ?', markOf(app))
  return row ? { stampMs: Number(row.stampMs), digest: String(row.incarnation) } : null
}

const SET_DEPLOYED = `
insert or replace into tq_schedule (name, app, definition, revision, incarnation, dueAtMs, lastDueAtMs, stampMs)
values (?, ?, '${REMOVED}', 1, ?, null, null, ?)`

export function setDeployedStep(
  driver: Driver,
  app: string,
  mark: DeployMark,
  seen: DeployMark | null,
): 'set' | 'existing' | 'moved' {
  const found = deployedStep(driver, app)
  if (found && isSame(found, mark)) return 'existing'
  if (found ? !seen || !isSame(found, seen) : seen) return 'moved'
  driver.run(SET_DEPLOYED, markOf(app), app, mark.digest, mark.stampMs)
  return 'set'
}

function isSame(a: DeployMark, b: DeployMark): boolean {
  return a.stampMs === b.stampMs && a.digest === b.digest
}
