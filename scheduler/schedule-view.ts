import type { StoredSchedule } from '../src/broker.ts'
import { fromJson } from '../src/job.ts'
import type { ScheduleView } from '../src/schedules.ts'
import { readDefinition } from './definition.ts'
import { splitDefinition } from './state.ts'

export function toScheduleView(stored: StoredSchedule, nowMs: number): ScheduleView {
  const { name, app, definition, revision, dueAtMs, lastDueAtMs } = stored
  const read = readDefinition(definition)
  const { origin = 'app', paused = false, declared } = splitDefinition(definition).state
  return {
    name,
    app,
    task: read?.task ?? null,
    input: read ? (fromJson(read.input) ?? null) : null,
    inputBy: read?.inputBy ?? null,
    queue: read?.queue ?? null,
    priority: read?.priority ?? null,
    rule: read?.rule ?? null,
    catchUp: read?.catchUp ?? null,
    overlap: read?.overlap ?? null,
    pingUrl: read?.pingUrl ?? null,
    paused,
    origin,
    overridden: declared !== undefined,
    revision,
    dueAtMs,
    lastDueAtMs,
    lagMs: dueAtMs === null ? 0 : Math.max(0, nowMs - dueAtMs),
  }
}
