/** What a query for schedules may ask, and where a page of due ones has ended. */
import { MAX_PAGE_SCHEDULES, type ScheduleQuery } from './broker.ts'
import { InvalidOption } from './errors.ts'
import { checkWhole } from './whole.ts'

/** Throws `InvalidOption` for a page that cannot be. */
export function checkPage({ limit = 1, names = [] }: ScheduleQuery): void {
  checkWhole('limit', limit, 1, MAX_PAGE_SCHEDULES)
  if (names.length > MAX_PAGE_SCHEDULES)
    throw new InvalidOption('names', `at most ${MAX_PAGE_SCHEDULES}`, String(names.length))
}

/** By due time, then by name. */
export interface DuePosition {
  readonly dueAtMs: number
  readonly name: string
}

export function toDueCursor({ dueAtMs, name }: DuePosition): string {
  return `${dueAtMs}|${name}`
}

/** Throws `InvalidOption` for what is no cursor of a page of due ones. */
export function toDuePosition(cursor: string): DuePosition {
  const [, dueAtMs, name] = /^(\d{1,15})\|(.*)$/s.exec(cursor) ?? []
  if (dueAtMs === undefined || name === undefined)
    throw new InvalidOption('cursor', 'the cursor of an earlier page', 'another text')
  return { dueAtMs: Number(dueAtMs), name }
}
