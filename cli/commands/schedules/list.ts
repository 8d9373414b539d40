import type { SeenBeat } from '../../../src/broker.ts'
import type { Schedules, SchedulesPage, SchedulesQuery, ScheduleView } from '../../../src/schedules.ts'
import { commonArgs, wholeNumber } from '../../args.ts'
import { notesOnBeats } from '../../beats.ts'
import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { flushed, printLine, printNote, printText, toTable } from '../../print.ts'
import { toRuleText } from '../../rule-text.ts'
import { withSchedules } from '../../schedules.ts'
import { toDuration, toTime } from '../../times.ts'

const MAX_LIMIT = 1_000
const DEFAULT_BEAT_MINUTES = 5
const HEAD = ['SCHEDULE', 'APP', 'TASK', 'RULE', 'NEXT DUE', 'LAST', 'LAG', '']

export default command({
  name: 'list',
  description: 'List schedules: their rules, when they are due next, when they last were',
  examples: ['tq schedules', 'tq schedules --json | jq -r ".schedules[].name"'],
  args: {
    'app-name': { type: 'string', description: 'Only those of the app of this name', valueHint: 'name' },
    limit: { type: 'string', description: 'At most so many (default all)', valueHint: 'n' },
    cursor: { type: 'string', description: 'Where the last list ended', valueHint: 'cursor' },
    'beat-minutes': {
      type: 'string',
      description: 'Note where no beat has been there for so long (default 5)',
      valueHint: 'n',
    },
    ...commonArgs,
  },
  async run({ db, json, cursor, ...args }) {
    const minutes = wholeNumber('beat-minutes', args['beat-minutes'], { min: 2 }) ?? DEFAULT_BEAT_MINUTES
    const limit = wholeNumber('limit', args.limit, { min: 1, max: MAX_LIMIT })
    const app = args['app-name']
    return withSchedules({ db, appName: app, mustExist: true }, async (schedules, broker) => {
      const beats = (await broker.beats()).filter((beat) => app === undefined || beat.app === app)
      const pages = pagesOf(schedules, { cursor, limit })
      const apps = json ? await listJson(pages, beats) : await listTable(pages)
      for (const note of notesOnBeats(apps, beats, minutes * 60_000)) printNote(note)
      return OK
    })
  },
})

/** One page where so many are asked for, else all of them: no more than a page is in memory. */
async function* pagesOf({ list }: Schedules, query: SchedulesQuery): AsyncGenerator<SchedulesPage> {
  let page = await list(query)
  yield page
  while (page.cursor !== null && query.limit === undefined) {
    page = await list({ ...query, cursor: page.cursor })
    yield page
  }
}

/** The apps whose schedules are still to be fired. */
type Apps = ReadonlySet<string>

async function listTable(pages: AsyncIterable<SchedulesPage>): Promise<Apps> {
  const apps = new Set<string>()
  let shown = 0
  let cursor: string | null = null
  for await (const page of pages) {
    noteApps(page, apps)
    cursor = page.cursor
    if (page.schedules.length === 0 && !(shown === 0 && cursor === null)) continue
    printLine(toTable(HEAD, page.schedules.map(toRow)))
    shown += page.schedules.length
  }
  if (cursor !== null) printNote(`more with --cursor ${cursor}`)
  return apps
}

/** One object, written as its pages come. */
async function listJson(pages: AsyncIterable<SchedulesPage>, beats: readonly SeenBeat[]): Promise<Apps> {
  const apps = new Set<string>()
  const rest: { nextDueAtMs: number | null; cursor: string | null } = { nextDueAtMs: null, cursor: null }
  let separator = ''
  printText('{"schedules":[')
  for await (const page of pages) {
    noteApps(page, apps)
    rest.cursor = page.cursor
    if (page.schedules.length === 0) continue
    printText(separator + page.schedules.map((schedule) => JSON.stringify(schedule)).join(','))
    separator = ','
    for (const { dueAtMs } of page.schedules)
      if (dueAtMs !== null) rest.nextDueAtMs = Math.min(rest.nextDueAtMs ?? dueAtMs, dueAtMs)
    await flushed()
  }
  printLine(`],${JSON.stringify({ ...rest, beats }).slice(1)}`)
  return apps
}

function noteApps({ schedules }: SchedulesPage, apps: Set<string>): void {
  for (const { app, dueAtMs } of schedules) if (dueAtMs !== null) apps.add(app)
}

function toRow({ name, app, task, rule, dueAtMs, lastDueAtMs, lagMs, ...state }: ScheduleView): string[] {
  const lag = lagMs === 0 ? '-' : toDuration(lagMs)
  return [name, app, task ?? '?', toRuleText(rule), toTime(dueAtMs), toTime(lastDueAtMs), lag, toStateText(state)]
}

function toStateText({ paused, origin, overridden }: Pick<ScheduleView, 'paused' | 'origin' | 'overridden'>): string {
  const words = [paused && 'paused', overridden && 'overridden', origin === 'runtime' && 'made at run time']
  return words.filter(Boolean).join(', ')
}
