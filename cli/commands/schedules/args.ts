/** What several of these commands take, and what they say. */
import type { ScheduleView } from '../../../src/schedules.ts'
import { commonArgs } from '../../args.ts'
import { printJson, printLine } from '../../print.ts'
import { toTime } from '../../times.ts'

export const nameArgs = {
  name: { type: 'positional', required: true, description: "The schedule's name" },
  'app-name': { type: 'string', description: 'Only if it is of the app of this name', valueHint: 'name' },
  ...commonArgs,
} as const

/** What has become of a schedule, and when it is due next. */
export function printOutcome(outcome: string, view: ScheduleView, json: boolean | undefined): void {
  if (json) printJson(view)
  else printLine(`${view.name}  ${outcome}, ${dueText(view)}`)
}

function dueText({ paused, dueAtMs }: ScheduleView): string {
  if (dueAtMs !== null) return `next due ${toTime(dueAtMs)}`
  return paused ? 'paused' : 'not due any more'
}
