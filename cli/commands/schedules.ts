import { readDefinition } from '../../scheduler/definition.ts'
import { pagesOf } from '../../scheduler/pages.ts'
import type { SchedulePage, SeenBeat, StoredSchedule } from '../../src/broker.ts'
import type { CatchUp, ScheduleRule } from '../../src/schedule.ts'
import { commonArgs, given, wholeNumber } from '../args.ts'
import { lagOf, notesOnBeats } from '../beats.ts'
import { withBroker } from '../broker.ts'
import { command, group } from '../command.ts'
import { OK } from '../exit.ts'
import { flushed, printLine, printNote, printText, toTable } from '../print.ts'
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
    const minutes = wholeNumber('beat-minutes', args['beat-minutes'], { min: 2 }) ?? DEFAULT_BEAT_MINUTES
    const app = args['app-name']
    return withBroker({ db, mustExist: true }, async (broker) => {
      const beats = (await broker.beats()).filter((beat) => app === undefined || beat.app === app)
      const pages = pagesOf((page) => broker.schedules(page), given({ app }))
      const seen = json ? await listJson(pages, beats) : await listTable(pages)
      for (const note of notesOnBeats(seen, beats, minutes * 60_000)) printNote(note)
      return OK
    })
  },
})

/** The apps whose schedules are still to be fired. */
type Apps = ReadonlySet<string>

/** A table for each page that has any: no more than a page is in memory. */
async function listTable(pages: AsyncIterable<SchedulePage>): Promise<Apps> {
  const apps = new Set<string>()
  let isFirst = true
  for await (const page of pages) {
    noteApps(page, apps)
    if (page.schedules.length === 0 && !(isFirst && page.cursor === null)) continue
    printLine(
      toTable(
        HEAD,
        page.schedules.map((stored) => toRow(stored, page)),
      ),
    )
    isFirst = false
  }
  return apps
}

/** One object, written as its pages come. */
async function listJson(pages: AsyncIterable<SchedulePage>, beats: readonly SeenBeat[]): Promise<Apps> {
  const apps = new Set<string>()
  let [separator, nextDueAtMs] = ['', Number.POSITIVE_INFINITY]
  printText('{"schedules":[')
  for await (const page of pages) {
    noteApps(page, apps)
    if (page.schedules.length === 0) continue
    printText(separator + page.schedules.map((stored) => JSON.stringify(toView(stored, page))).join(','))
    separator = ','
    for (const { dueAtMs } of page.schedules) nextDueAtMs = Math.min(nextDueAtMs, dueAtMs ?? nextDueAtMs)
    await flushed()
  }
  const next = Number.isFinite(nextDueAtMs) ? nextDueAtMs : null
  printLine(`],"nextDueAtMs":${next},"beats":${JSON.stringify(beats)}}`)
  return apps
}

function noteApps({ schedules }: SchedulePage, apps: Set<string>): void {
  for (const { app, dueAtMs } of schedules) if (dueAtMs !== null) apps.add(app)
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
