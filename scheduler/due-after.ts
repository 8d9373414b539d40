import type { Schedule } from '../src/schedule.ts'

/** The first due times after one moment and up to another, at most so many. */
export function dueAfter(next: Schedule['next'], afterMs: number, untilMs: number, most: number): number[] {
  const times: number[] = []
  for (let at = next(afterMs); at !== null && at <= untilMs && times.length < most; at = next(at)) times.push(at)
  return times
}
