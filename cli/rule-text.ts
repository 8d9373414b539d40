import type { ScheduleRule } from '../src/schedule.ts'
import { toCronText } from './cron-text.ts'
import { toExactDuration, toTime } from './times.ts'

/** A rule as people read it: what is due when, and its bounds. Null is a rule that this version cannot read. */
export function toRuleText(rule: ScheduleRule | null): string {
  if (!rule) return 'not known to this version'
  const bounds = toBoundsText(rule)
  return bounds.length > 0 ? `${toKindText(rule)} (${bounds.join(', ')})` : toKindText(rule)
}

function toKindText(rule: ScheduleRule): string {
  switch (rule.kind) {
    case 'cron': {
      const words = toCronText(rule.pattern)
      return `${rule.pattern} ${rule.timezone}${words === null ? '' : `: ${words}`}`
    }
    case 'every':
      return `every ${toExactDuration(rule.everyMs)}`
    case 'at':
      return `at ${toTime(rule.atMs)}`
    case 'rrule':
      return rule.text.replaceAll('\n', ' ')
    case 'solar':
      return toSolarText(rule)
    case 'custom':
      return 'custom'
  }
}

type SolarRule = Extract<ScheduleRule, { kind: 'solar' }>

/** `civil dawn at 59.91, 10.75`, `30 min before sunset at ...`. */
function toSolarText({ event, latitude, longitude, offsetMs = 0 }: SolarRule): string {
  const words = event.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  const offset = offsetMs === 0 ? '' : `${toExactDuration(Math.abs(offsetMs))} ${offsetMs < 0 ? 'before' : 'after'} `
  return `${offset}${words} at ${latitude}, ${longitude}`
}

function toBoundsText({ enabled, startAtMs, endAtMs, maxRuns, jitterMs }: ScheduleRule): string[] {
  return [
    enabled === false ? 'not enabled' : '',
    startAtMs === undefined ? '' : `from ${toTime(startAtMs)}`,
    endAtMs === undefined ? '' : `until ${toTime(endAtMs)}`,
    maxRuns === undefined ? '' : `at most ${maxRuns} times`,
    jitterMs === undefined ? '' : `up to ${toExactDuration(jitterMs)} later`,
  ].filter((text) => text !== '')
}
