import { type CallbackOptions, callBack } from './callbacks.ts'
import type { Driver } from './driver.ts'
import { freeAfter } from './overlap.ts'
import { nameForFinished } from './waiting.ts'

/** What follows, in the same step, from jobs having finished, however they did. Answers the waiters to hint. */
export function afterFinished(
  driver: Driver,
  ids: readonly string[],
  nowMs: number,
  options: CallbackOptions = {},
): string[] {
  if (ids.length === 0) return []
  return [...nameForFinished(driver, ids), ...freeAfter(driver, ids, nowMs), ...callBack(driver, ids, nowMs, options)]
}
