/**
 * Time zones, read from the runtime's Intl: how far the clocks of a place are from UTC, and when they are changed.
 *
 * A wall time is what those clocks show, as milliseconds as if they showed UTC. The clocks of no zone are changed twice
 * within two days.
 *
 * @module
 */
import { InvalidOption } from '../src/errors.ts'
import { recall } from './recall.ts'

/** What is added to a moment for its wall time. */
export type OffsetAt = (atMs: number) => number

export const DAY_MS = 86_400_000

const formats = new Map<string, Intl.DateTimeFormat>()

/** Throws `InvalidOption` for a zone that the runtime does not know. */
export function zoneOffset(name: string, timezone: string): OffsetAt {
  const format = recall(formats, timezone, () => zoneFormat(name, timezone))
  return (atMs) => parseOffset(format.format(atMs))
}

/** Some runtimes also take offsets, which others do not. */
function zoneFormat(name: string, timeZone: string): Intl.DateTimeFormat {
  const error = new InvalidOption(
    `timezone of "${name}"`,
    'an IANA time zone such as "Europe/Oslo"',
    JSON.stringify(timeZone),
  )
  if (!/^[a-z]/i.test(timeZone)) throw error
  try {
    return new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
  } catch {
    throw error
  }
}

/** `GMT`, `GMT+05:30`, `GMT-00:43:08`, behind a date. */
function parseOffset(text: string): number {
  const [, sign = '', hours = 0, minutes = 0, seconds = 0] = /GMT([+-])(\d+):?(\d+)?:?(\d+)?/.exec(text) ?? []
  return Number(`${sign}1000`) * (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds))
}

/** When the clocks are changed, after `fromMs` and up to `untilMs`: at most two days. Null when they are not. */
export function changeBetween(offsetAt: OffsetAt, fromMs: number, untilMs: number): number | null {
  const offsetMs = offsetAt(fromMs)
  if (offsetAt(untilMs) === offsetMs) return null
  let [beforeMs, changedMs] = [fromMs, untilMs]
  while (changedMs - beforeMs > 1) {
    const middleMs = Math.floor((beforeMs + changedMs) / 2)
    if (offsetAt(middleMs) === offsetMs) beforeMs = middleMs
    else changedMs = middleMs
  }
  return changedMs
}
