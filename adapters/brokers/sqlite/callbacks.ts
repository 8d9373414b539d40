import { CALLBACK_TASK, type TaskCallbacks } from '../../../src/callbacks.ts'
import type { Driver } from './driver.ts'
import { nameWaiting, queueTopic } from './waiting.ts'

export interface CallbackOptions {
  /** Of tasks, for jobs that have none of their own. */
  readonly callbacks?: TaskCallbacks | undefined
  /** Whether they were cancelled by nobody, but for want of room. */
  readonly dropped?: boolean
}

/** Of those that have finished in this very step: a copy of a settlement names others as well. */
const CALL_BACK = `
insert into tq_job (id, task, queue, state, priority, createdAtMs, input)
select id || ':' || name || ':' || epoch, '${CALLBACK_TASK}', queue, 'queued', 0, ?2, json_quote(url)
from (
  select id, queue, epoch, name, coalesce(callbacks ->> name, (select own.value ->> name from json_each(?3) own where own.key = task)) as url
  from (
    select *, iif(state = 'succeeded', 'onSuccess', 'onFailure') as name from tq_job
    where id in (select value from json_each(?1)) and finishedAtMs = ?2 and state in ('succeeded', 'failed', ?4)
  )
) where url is not null
on conflict (id) do nothing
returning queue`

/** Has somebody told how jobs have ended that finished in this step. Nothing to do where nobody is, which is one look. */
export function callBack(
  driver: Driver,
  ids: readonly string[],
  nowMs: number,
  { callbacks, dropped = false }: CallbackOptions,
): string[] {
  if (!callbacks && driver.all('select 1 from tq_job where callbacks is not null limit 1').length === 0) return []
  const ended = dropped ? 'cancelled' : 'failed'
  const made = driver.all(CALL_BACK, JSON.stringify(ids), nowMs, JSON.stringify(callbacks ?? {}), ended)
  return [...new Set(made.map(({ queue }) => String(queue)))].flatMap((queue) =>
    nameWaiting(driver, queueTopic(queue), nowMs),
  )
}
