import type { StoredSchedule } from '../src/broker.ts'
import { fromJson } from '../src/job.ts'
import type { ScheduleView } from '../src/schedules.ts'
import { readDefinition } from './definition.ts'
import { splitDefinition } from './state.ts'

export function toScheduleView({
  name,
  app,
  definition,
  revision,
  dueAtMs,
  lastDueAtMs,
}: StoredSchedule): ScheduleView {
  const read = readDefinition(definition)
  const { origin = 'app', paused = false, declared } = splitDefinition(definition).state
  return {
    name,
    app,
    task: read?.task ?? null,
    input: read ? (fromJson(read.input) ?? null) : null,
    queue: read?.queue ?? null,
    priority: read?.priority ?? null,
    rule: read?.rule ?? null,
    catchUp: read?.catchUp ?? null,
    paused,
    origin,
    overridden: declared !== undefined,
    revision,
    dueAtMs,
    lastDueAtMs,
  }
}
