import { readDefinition } from '../../scheduler/definition.ts'
import { pagesOf } from '../../scheduler/pages.ts'
import type { Broker, ScheduleQuery, StoredSchedule } from '../../src/broker.ts'
import type { CatchUp, ScheduleRule } from '../../src/schedule.ts'
import { commonArgs, given } from '../args.ts'
import { withBroker } from '../broker.ts'
import { command, group } from '../command.ts'
import { OK } from '../exit.ts'
import { flushed, printLine, printText, toTable } from '../print.ts'
import { toDuration, toTime } from '../times.ts'

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
    return withBroker({ db, mustExist: true }, (broker) => (json ? listJson(broker, query) : listTable(broker, query)))
  },
})

const HEAD = ['SCHEDULE', 'APP', 'TASK', 'RULE', 'NEXT DUE', 'LAST']

/** A table for each page that has any: no more than a page is in memory. */
async function listTable(broker: Broker, query: ScheduleQuery): Promise<number> {
  let isFirst = true
  for await (const { schedules, cursor } of pagesOf((page) => broker.schedules(page), query)) {
    const isLast = cursor === null
    if (schedules.length > 0 || (isFirst && isLast)) {
      printLine(toTable(HEAD, schedules.map(toRow)))
      isFirst = false
    }
  }
  return OK
}

/** One object, written as its pages come. */
async function listJson(broker: Broker, query: ScheduleQuery): Promise<number> {
  let [separator, nextDueAtMs] = ['', Number.POSITIVE_INFINITY]
  printText('{"schedules":[')
  for await (const { schedules } of pagesOf((page) => broker.schedules(page), query)) {
    if (schedules.length === 0) continue
    printText(separator + schedules.map((stored) => JSON.stringify(toView(stored))).join(','))
    separator = ','
    for (const { dueAtMs } of schedules) nextDueAtMs = Math.min(nextDueAtMs, dueAtMs ?? Number.POSITIVE_INFINITY)
    await flushed()
  }
  printLine(`],"nextDueAtMs":${Number.isFinite(nextDueAtMs) ? nextDueAtMs : null}}`)
  return OK
}

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
