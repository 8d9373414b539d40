import type { ScheduleRule } from '../../../src/schedule.ts'
import type { ScheduleView } from '../../../src/schedules.ts'
import { commonArgs, wholeNumber } from '../../args.ts'
import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { printJson, printLine, printNote, toTable } from '../../print.ts'
import { withSchedules } from '../../schedules.ts'
import { toDuration, toTime } from '../../times.ts'

const MAX_LIMIT = 1_000

export default command({
  name: 'list',
  description: 'List schedules: their rules, when they are due next, when they last were',
  examples: ['tq schedules', 'tq schedules --json | jq -r ".schedules[].name"'],
  args: {
    'app-name': { type: 'string', description: 'Only those of the app of this name', valueHint: 'name' },
    limit: { type: 'string', description: 'At most so many (default 1000)', valueHint: 'n' },
    cursor: { type: 'string', description: 'Where the last page ended', valueHint: 'cursor' },
    ...commonArgs,
  },
  async run({ db, json, limit, cursor, ...args }) {
    const query = { cursor, limit: wholeNumber('limit', limit, { min: 1, max: MAX_LIMIT }) }
    const page = await withSchedules({ db, appName: args['app-name'], mustExist: true }, ({ list }) => list(query))
    if (json) {
      printJson(page)
      return OK
    }
    printLine(toTable(['SCHEDULE', 'APP', 'TASK', 'RULE', 'NEXT DUE', 'LAST', ''], page.schedules.map(toRow)))
    if (page.cursor) printNote(`more with --cursor ${page.cursor}`)
    return OK
  },
})

function toRow({ name, app, task, rule, dueAtMs, lastDueAtMs, ...state }: ScheduleView): string[] {
  return [name, app, task ?? '?', toRuleText(rule), toTime(dueAtMs), toTime(lastDueAtMs), toStateText(state)]
}

function toStateText({ paused, origin, overridden }: Pick<ScheduleView, 'paused' | 'origin' | 'overridden'>): string {
  const words = [paused && 'paused', overridden && 'overridden', origin === 'runtime' && 'made at run time']
  return words.filter(Boolean).join(', ')
}

function toRuleText(rule: ScheduleRule | null): string {
  if (!rule) return 'not known to this version'
  return rule.enabled === false ? `${toKindText(rule)} (not enabled)` : toKindText(rule)
}

function toKindText(rule: ScheduleRule): string {
  switch (rule.kind) {
    case 'cron':
      return `${rule.pattern} ${rule.timezone}`
    case 'every':
      return `every ${toDuration(rule.everyMs)}`
    case 'at':
      return `at ${toTime(rule.atMs)}`
    case 'custom':
      return 'custom'
  }
}
