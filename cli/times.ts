/** What a Date can hold: a job may be due later than that. */
const MAX_TIME_MS = 8.64e15

/** A moment as people read it, to the second, in UTC; `-` for none. */
export function toTime(ms: number | null): string {
  return ms === null ? '-' : `${new Date(Math.min(ms, MAX_TIME_MS)).toISOString().replace(/\.\d+Z$/, 'Z')}`
}

/** A moment in ISO 8601 as the clocks of a zone show it, with how far they are from UTC: `2026-10-25T02:30:00+02:00`. */
export function toZonedTime(ms: number, offsetAt: (ms: number) => number): string {
  const offsetMs = offsetAt(ms)
  const wall = new Date(ms + offsetMs).toISOString().replace(/(?:\.000)?Z$/, '')
  const ahead = new Date(Math.abs(offsetMs)).toISOString().slice(11, 19).replace(/:00$/, '')
  return `${wall}${offsetMs < 0 ? '-' : '+'}${ahead}`
}

const UNITS = [
  { ms: 86_400_000, name: 'd' },
  { ms: 3_600_000, name: 'h' },
  { ms: 60_000, name: 'min' },
  { ms: 1_000, name: 's' },
] as const

/** A duration in its largest unit: `12 ms`, `3.4 s`, `2 h`. */
export function toDuration(ms: number): string {
  const unit = UNITS.find((candidate) => ms >= candidate.ms)
  return unit ? `${Number((ms / unit.ms).toFixed(1))} ${unit.name}` : `${Math.round(ms)} ms`
}
