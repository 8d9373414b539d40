import { everyUs, type RateLeft, type RateLimit, toRateLeft } from '../../../src/rate.ts'
import type { Driver } from './driver.ts'

/** Each call forgets more than it can add, so that what is kept is what is in use. */
const FORGET = 'delete from tq_rate where key in (select key from tq_rate where untilUs <= ? limit ?)'
const READ = 'select key, untilUs from tq_rate where key in (select value from json_each(?))'
const WRITE = 'insert into tq_rate values (?1, ?2) on conflict do update set untilUs = ?2'

/** The contract's `countCall`, inside a transaction. */
export function countCallStep(driver: Driver, limits: readonly RateLimit[], nowMs: number): RateLeft[] {
  const nowUs = nowMs * 1_000
  driver.run(FORGET, nowUs, limits.length + 1)
  const rows = driver.all(READ, JSON.stringify(limits.map(({ key }) => key)))
  const untilUs = new Map(rows.map((row) => [row.key, Number(row.untilUs)]))
  const counted = limits.map((limit) => {
    const wholeUs = limit.calls * everyUs(limit)
    // No further ahead than the window: a clock that was set back, or a limit that was another, shuts nobody out for longer.
    const aheadUs = Math.min(Math.max((untilUs.get(limit.key) ?? 0) - nowUs, 0), wholeUs)
    return { limit, aheadUs, allowed: aheadUs + everyUs(limit) <= wholeUs }
  })
  const counts = counted.every(({ allowed }) => allowed)
  return counted.map(({ limit, aheadUs, allowed }) => {
    if (!counts) return toRateLeft(limit, allowed, aheadUs)
    const paidUs = aheadUs + everyUs(limit)
    driver.run(WRITE, limit.key, nowUs + paidUs)
    return toRateLeft(limit, allowed, paidUs)
  })
}
