/** A cron pattern in words, where the words say what the scheduler does. */
import { toString as toWords } from 'cronstrue'

const N = '\\d+'
/** A number or a name. */
const VALUE = '(?:\\d+|[A-Z]{3})'
const RANGE = `${VALUE}-${VALUE}`
const LIST = `(?:${RANGE}|${VALUE})(?:,(?:${RANGE}|${VALUE}))*`
/** Steps that do not divide the hour or the day are not "every 7 minutes": they begin anew with each hour. */
const STEP_60 = '\\*/(?:2|3|4|5|6|10|12|15|20|30)'
const STEP_24 = '\\*/(?:2|3|4|6|8|12)'
const STEP_12 = '\\*/(?:2|3|4|6)'

/** Seconds, minutes and hours whose words name the same times; of others such as every quarter of two hours they do not. */
const TIMES = [
  `0 (?:\\*|${STEP_60}|${N}-${N}(?:/${N})?) (?:\\*|${N}|${N}-${N})`,
  `0 ${N}(?:,${N})* (?:\\*|${STEP_24}|${N}(?:,${N})*|${N}-${N}(?:/${N})?)`,
  `${N} ${N} ${N}`,
  `(?:\\*|${STEP_60}|${N}(?:,${N})*) \\* \\*`,
].join('|')
const DAY = `(?:\\*|L|LW|${N}W|${LIST})`
const MONTH = `(?:\\*|${STEP_12}|${LIST})`
const WEEKDAY = `(?:\\*|(?!0-7)${LIST}|${VALUE}#\\d|${VALUE}L)`
const YEAR = `(?:\\*|${LIST})`
/** A day of the month beside a weekday means either to us, and in words both. */
const DATES = `(?:\\* ${MONTH} ${WEEKDAY}|${DAY} ${MONTH} \\*)`
const SAYABLE = new RegExp(`^(?:${TIMES}) ${DATES} ${YEAR}$`)

const NICKNAMES: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}

/** `at 07:00, Monday through Friday`; null where no words are right, as for `0 0 13 * 5`, every 13th and every Friday. */
export function toCronText(pattern: string): string | null {
  const fields = toFields(pattern)
  if (!SAYABLE.test(fields)) return null
  const words = toWords(fields, { use24HourTimeFormat: true })
  return words.charAt(0).toLowerCase() + words.slice(1)
}

/** All seven, in one spelling. */
function toFields(pattern: string): string {
  const text = pattern.trim()
  const fields = (NICKNAMES[text.toLowerCase()] ?? text).toUpperCase().replaceAll('?', '*').split(/\s+/)
  if (fields.length === 5) fields.unshift('0')
  if (fields.length === 6) fields.push('*')
  return fields.join(' ')
}
