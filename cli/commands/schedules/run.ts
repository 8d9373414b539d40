import { createSchedules } from '../../../scheduler/index.ts'
import { ScheduleNotFound } from '../../../src/errors.ts'
import { appArg } from '../../args.ts'
import { command } from '../../command.ts'
import { FAILED, OK } from '../../exit.ts'
import { readInput } from '../../input.ts'
import { printJson, printLine } from '../../print.ts'
import { checkingApp, withCode, withSchedules } from '../../schedules.ts'
import { nameArgs } from './args.ts'

export default command({
  name: 'run',
  description: 'Run a schedule now, paused or not: a job beside those of its due times',
  examples: ['tq schedules run digest', `tq schedules run digest --input '{"to":"me@example.com"}' --id once`],
  args: {
    ...nameArgs,
    input: {
      type: 'string',
      description: "In place of the schedule's, as JSON; - reads it from stdin",
      valueHint: 'json',
    },
    id: {
      type: 'string',
      description: "The job's id: the same again runs nothing (default a new one)",
      valueHint: 'id',
    },
    ...appArg,
  },
  async run({ name, input: text, id, app, db, json, ...args }) {
    const input = await readInput(text)
    const options = { db, app, appName: args['app-name'], mustExist: true }
    const { jobId, outcome } =
      input === undefined
        ? await withCode(options, (own) => own.run(name, { id }))
        : await withSchedules(options, async ({ get }, broker) => {
            const found = await get(name)
            if (!found) throw new ScheduleNotFound(name)
            const checking = await checkingApp(app, found.app)
            return createSchedules({ broker, app: checking, appName: found.app }).run(name, { input, id })
          })
    if (json) printJson({ schedule: name, jobId, outcome })
    else if (jobId === null) printLine(`${name}  skipped: a job of it has not finished`)
    else printLine(`${name}  ${outcome === 'fired' ? 'runs as' : 'was run as'} ${jobId}`)
    return jobId === null ? FAILED : OK
  },
})
