/** What the API answers of schedules, as `answers.ts` has the rest. */
import * as v from 'valibot'
import { OVERLAPS, type ScheduleRule } from '../../schedule.ts'
import type { RunOutcome, RunView, SchedulesPage, ScheduleView } from '../../schedules.ts'
import { anything, count, flag, ms, number, outcome, state, text, textOrNull, view } from './view.ts'

const bounds = {
  startAtMs: v.exactOptional(number),
  endAtMs: v.exactOptional(number),
  maxRuns: v.exactOptional(count),
  jitterMs: v.exactOptional(ms),
  enabled: v.exactOptional(v.literal(false)),
}
const rule: v.GenericSchema<ScheduleRule> = v.variant('kind', [
  v.object({ kind: v.literal('cron'), pattern: text, timezone: text, ...bounds }),
  v.object({ kind: v.literal('every'), everyMs: number, align: v.exactOptional(v.literal('first')), ...bounds }),
  v.object({ kind: v.literal('at'), atMs: number, ...bounds }),
  v.object({ kind: v.literal('rrule'), text, timezone: text, ...bounds }),
  v.object({
    kind: v.literal('solar'),
    event: text,
    latitude: number,
    longitude: number,
    offsetMs: v.exactOptional(number),
    ...bounds,
  }),
  v.object({ kind: v.literal('custom'), version: v.exactOptional(number), ...bounds }),
])
export const scheduleView: v.GenericSchema<ScheduleView> = view<ScheduleView>()({
  name: text,
  app: text,
  task: textOrNull,
  input: anything,
  inputBy: v.nullable(v.literal('function')),
  queue: textOrNull,
  priority: v.nullable(number),
  rule: v.nullable(rule),
  catchUp: v.nullable(v.object({ maxAgeMs: number, maxRuns: count })),
  overlap: v.nullable(v.picklist(OVERLAPS)),
  pingUrl: textOrNull,
  paused: flag,
  origin: outcome('app', 'runtime'),
  overridden: flag,
  revision: count,
  dueAtMs: v.nullable(number),
  lastDueAtMs: v.nullable(number),
  lagMs: number,
})
export const schedulesPage: v.GenericSchema<SchedulesPage> = view<SchedulesPage>()({
  schedules: v.array(scheduleView),
  cursor: textOrNull,
  nowMs: number,
})
export const runOutcome: v.GenericSchema<RunOutcome> = view<RunOutcome>()({
  jobId: textOrNull,
  outcome: outcome('fired', 'skipped', 'existing'),
})
export const runView: v.GenericSchema<RunView> = view<RunView>()({
  dueAtMs: number,
  firedAtMs: number,
  lateMs: number,
  outcome: outcome('fired', 'skipped', 'missed'),
  manual: flag,
  jobId: textOrNull,
  state: v.nullable(state),
  finishedAtMs: v.nullable(number),
  attempts: v.nullable(count),
})
export const runsView: v.GenericSchema<{ runs: readonly RunView[] }> = v.object({ runs: v.array(runView) })
export const dueTimes: v.GenericSchema<{ dueAtMs: readonly number[] }> = v.object({ dueAtMs: v.array(number) })
