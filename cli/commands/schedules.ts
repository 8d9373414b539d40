import { readDefinition } from '../../scheduler/definition.ts'
import type { SchedulePage, StoredSchedule } from '../../src/broker.ts'
import type { CatchUp, ScheduleRule } from '../../src/schedule.ts'
import { commonArgs, given, wholeNumber } from '../args.ts'
import { lagOf, notesOnBeats } from '../beats.ts'
import { withBroker } from '../broker.ts'
import { command, group } from '../command.ts'
import { OK } from '../exit.ts'
import { printJson, printLine, printNote, toTable } from '../print.ts'
import { toRuleText } from '../rule-text.ts'
import { toDuration, toTime } from '../times.ts'

const DEFAULT_BEAT_MINUTES = 5
const HEAD = ['SCHEDULE', 'APP', 'TASK', 'RULE', 'NEXT DUE', 'LAST', 'LAG']

const list = command({
  name: 'list',
  description: 'List schedules: their rules, when they are due next, when they last were',
  examples: ['tq schedules', 'tq schedules --json | jq -r ".schedules[].name"'],
  args: {
    'app-name': { type: 'string', description: 'Only those of the app of this name', valueHint: 'name' },
    'beat-minutes': {
      type: 'string',
      description: 'Note where no beat has been there for so long (default 5)',
      valueHint: 'n',
    },
    ...commonArgs,
  },
  async run({ db, json, ...args }) {
    const app = args['app-name']
    const minutes = wholeNumber('beat-minutes', args['beat-minutes'], { min: 2 }) ?? DEFAULT_BEAT_MINUTES
    const [page, all] = await withBroker({ db, mustExist: true }, async (broker) => [
      await broker.schedules(given({ app })),
      await broker.beats(),
    ])
    const { schedules, nextDueAtMs } = page
    const beats = all.filter((beat) => app === undefined || beat.app === app)
    if (json) printJson({ schedules: schedules.map((stored) => toView(stored, page)), nextDueAtMs, beats })
    else
      printLine(
        toTable(
          HEAD,
          schedules.map((stored) => toRow(stored, page)),
        ),
      )
    for (const note of notesOnBeats(schedules, beats, minutes * 60_000)) printNote(note)
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
  /** How long it has been due without being fired. */
  readonly lagMs: number
}

function toView(stored: StoredSchedule, page: SchedulePage): ScheduleView {
  const { name, app, dueAtMs, lastDueAtMs } = stored
  const { task = null, rule = null, queue = null, catchUp = null } = readDefinition(stored.definition) ?? {}
  return { name, app, task, rule, queue, catchUp, dueAtMs, lastDueAtMs, lagMs: lagOf(stored, page) }
}

function toRow(stored: StoredSchedule, page: SchedulePage): string[] {
  const { name, app, task, rule, dueAtMs, lastDueAtMs, lagMs } = toView(stored, page)
  const lag = lagMs === 0 ? '-' : toDuration(lagMs)
  return [name, app, task ?? '?', toRuleText(rule), toTime(dueAtMs), toTime(lastDueAtMs), lag]
}
