import { InvalidOption } from '../src/errors.ts'

/** A `Date`, milliseconds since the epoch, or ISO 8601 text with its offset, such as `2026-03-29T07:00:00Z`. */
export type Moment = Date | number | string

/** Without an offset a text would mean another moment on every machine. */
const ISO = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/

/** In milliseconds since the epoch. Throws `InvalidOption` for what is no moment. */
export function toMs(what: string, moment: Moment): number {
  const ms = typeof moment === 'string' ? fromIso(moment) : Number(moment)
  if (Number.isInteger(ms) && ms >= 0 && ms <= MAX_MS) return ms
  throw new InvalidOption(
    what,
    'a Date, milliseconds since the epoch, or a text with its offset such as "2026-03-29T07:00:00Z" or "2026-03-29T09:00+02:00"',
    typeof moment === 'string' ? JSON.stringify(moment) : String(moment),
  )
}

/** The end of the year 9999. */
const MAX_MS = 253_402_300_799_999

/** Some runtimes take 30 February for a day in March. */
function fromIso(text: string): number {
  const day = ISO.exec(text)?.[1]
  const dayMs = Date.parse(`${day}T00:00Z`)
  return Number.isNaN(dayMs) || new Date(dayMs).getUTCDate() !== Number(day?.slice(8)) ? Number.NaN : Date.parse(text)
}
