import { readDefinition } from '../../scheduler/definition.ts'
import type { StoredSchedule } from '../../src/broker.ts'
import type { CatchUp, ScheduleRule } from '../../src/schedule.ts'
import { commonArgs, given } from '../args.ts'
import { withBroker } from '../broker.ts'
import { command, group } from '../command.ts'
import { OK } from '../exit.ts'
import { printJson, printLine, toTable } from '../print.ts'
import { toRuleText } from '../rule-text.ts'
import { toTime } from '../times.ts'

const list = command({
  name: 'list',
  description: 'List schedules: their rules, when they are due next, when they last were',
  examples: ['tq schedules', 'tq schedules --json | jq -r ".schedules[].name"'],
  args: {
    'app-name': { type: 'string', description: 'Only those of the app of this name', valueHint: 'name' },
    ...commonArgs,
  },
  async run({ db, json, ...args }) {
    const query = given({ app: args['app-name'] })
    const { schedules, nextDueAtMs } = await withBroker({ db, mustExist: true }, (broker) => broker.schedules(query))
    if (json) printJson({ schedules: schedules.map(toView), nextDueAtMs })
    else printLine(toTable(['SCHEDULE', 'APP', 'TASK', 'RULE', 'NEXT DUE', 'LAST'], schedules.map(toRow)))
    return OK
  },
})

export default group('schedules', 'List schedules', [list])

interface ScheduleView {
  readonly name: string
  readonly app: string
  /** Null, as is the rule, for a schedule that this version of tq cannot read. */
  readonly task: string | null
  readonly rule: ScheduleRule | null
  readonly queue: string | null
  /** Null where one job stands for all that was missed. */
  readonly catchUp: CatchUp | null
  readonly dueAtMs: number | null
  readonly lastDueAtMs: number | null
}

function toView(stored: StoredSchedule): ScheduleView {
  const { name, app, dueAtMs, lastDueAtMs } = stored
  const { task = null, rule = null, queue = null, catchUp = null } = readDefinition(stored.definition) ?? {}
  return { name, app, task, rule, queue, catchUp, dueAtMs, lastDueAtMs }
}

function toRow(stored: StoredSchedule): string[] {
  const { name, app, task, rule, dueAtMs, lastDueAtMs } = toView(stored)
  return [name, app, task ?? '?', toRuleText(rule), toTime(dueAtMs), toTime(lastDueAtMs)]
}
