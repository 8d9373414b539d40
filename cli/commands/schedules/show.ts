import { ScheduleNotFound } from '../../../src/errors.ts'
import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { printJson } from '../../print.ts'
import { printField } from '../../print-field.ts'
import { withSchedules } from '../../schedules.ts'
import { nameArgs } from './args.ts'

export default command({
  name: 'show',
  description: 'Show one schedule, all of it',
  examples: ['tq schedules show digest', 'tq schedules show digest --json | jq .rule'],
  args: nameArgs,
  async run({ name, db, json, ...args }) {
    const found = await withSchedules({ db, appName: args['app-name'], mustExist: true }, ({ get }) => get(name))
    if (!found) throw new ScheduleNotFound(name)
    if (json) printJson(found)
    else for (const [field, value] of Object.entries(found)) printField(field, value)
    return OK
  },
})
