import type { Driver } from './driver.ts'

/** How many waiters one step names per topic: a second one in case the first has died. */
const NAMED_AT_ONCE = 2

export const queueTopic = (queue: string) => `q:${queue}`
export const jobTopic = (id: string) => `j:${id}`

/** Registers a waiter to be named by whatever concerns one of the topics. */
export function registerWaiting(driver: Driver, waiter: string, topics: readonly string[], untilMs: number): void {
  driver.run(
    'insert into tq_waiting (topic, waiter, untilMs) select value, ?, ? from json_each(?) where true on conflict do update set untilMs = excluded.untilMs',
    waiter,
    untilMs,
    JSON.stringify(topics),
  )
}

export function unregisterWaiting(driver: Driver, waiter: string): void {
  driver.run('delete from tq_waiting where waiter = ?', waiter)
}

export function isWaiting(driver: Driver, waiter: string): boolean {
  return driver.all('select 1 from tq_waiting where waiter = ? limit 1', waiter).length > 0
}

/** Takes the newest waiters of a topic out of the waiting ones: they are to be hinted once the step has committed. */
export function nameWaiting(driver: Driver, topic: string, nowMs: number): string[] {
  const newest = driver.all(
    'select waiter from tq_waiting where topic = ? and untilMs > ? order by untilMs desc limit ?',
    topic,
    nowMs,
    NAMED_AT_ONCE,
  )
  const named = newest.map(({ waiter }) => String(waiter))
  for (const waiter of named) unregisterWaiting(driver, waiter)
  return named
}

/** How often the schedules of an app have changed, by the name of its beats. */
export function changesOf(driver: Driver, beats: string): number {
  return Number(driver.all('select value from tq_meta where key = ?', beats)[0]?.value ?? 0)
}

export function countChange(driver: Driver, beats: string): void {
  driver.run('insert into tq_meta (key, value) values (?, 1) on conflict do update set value = value + 1', beats)
}

/** Names everybody who waits for one of these jobs to finish. */
export function nameForFinished(driver: Driver, ids: readonly string[]): string[] {
  if (driver.all(`select 1 from tq_waiting where topic >= 'j:' and topic < 'j;' limit 1`).length === 0) return []
  const rows = driver.all(
    'delete from tq_waiting where topic in (select value from json_each(?)) returning waiter',
    JSON.stringify(ids.map(jobTopic)),
  )
  const named = new Set(rows.map(({ waiter }) => String(waiter)))
  // A waiter is hinted when it has no row left: it reads and registers again for what is still open.
  for (const waiter of named) unregisterWaiting(driver, waiter)
  return [...named]
}
