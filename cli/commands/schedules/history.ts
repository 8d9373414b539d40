import type { RunView } from '../../../src/schedules.ts'
import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { printJson, printLine, toTable } from '../../print.ts'
import { withSchedules } from '../../schedules.ts'
import { toDuration, toTime } from '../../times.ts'
import { nameArgs } from './args.ts'

const HEAD = ['DUE', 'LATE', 'OUTCOME', 'JOB', 'STATE', 'ATTEMPTS', 'FINISHED']

export default command({
  name: 'history',
  description: 'Show the last ticks of a schedule, newest first, and what their jobs have come to',
  examples: [
    'tq schedules history digest',
    'tq schedules history digest --json | jq "map(select(.state == \\"failed\\"))"',
  ],
  args: nameArgs,
  async run({ name, db, json, ...args }) {
    const runs = await withSchedules({ db, appName: args['app-name'], mustExist: true }, (own) => own.history(name))
    if (json) printJson(runs)
    else printLine(runs.length === 0 ? `${name} has not been fired yet` : toTable(HEAD, runs.map(toRow)))
    return OK
  },
})

function toRow({ dueAtMs, lateMs, outcome, manual, jobId, state, attempts, finishedAtMs }: RunView): string[] {
  const job = jobId
    ? [jobId, state ?? 'no longer kept', String(attempts ?? '-'), toTime(finishedAtMs)]
    : ['-', '-', '-', '-']
  return [
    toTime(dueAtMs),
    manual ? '-' : toDuration(Math.max(0, lateMs)),
    manual ? `${outcome} by hand` : outcome,
    ...job,
  ]
}
