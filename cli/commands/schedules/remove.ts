import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { printJson, printLine } from '../../print.ts'
import { withSchedules } from '../../schedules.ts'
import { nameArgs } from './args.ts'

export default command({
  name: 'remove',
  description: 'Remove a schedule that was made at run time; jobs that it has enqueued stay',
  examples: ['tq schedules remove customer-7:report'],
  args: nameArgs,
  async run({ name, db, json, ...args }) {
    await withSchedules({ db, appName: args['app-name'], mustExist: true }, (schedules) => schedules.remove(name))
    if (json) printJson({ name, removed: true })
    else printLine(`${name}  removed`)
    return OK
  },
})
