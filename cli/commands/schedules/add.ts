import { createSchedules } from '../../../scheduler/index.ts'
import { appArg, commonArgs } from '../../args.ts'
import { withBroker } from '../../broker.ts'
import { command } from '../../command.ts'
import { UsageError } from '../../errors.ts'
import { OK } from '../../exit.ts'
import { checkingApp } from '../../schedules.ts'
import { printOutcome } from './args.ts'
import { scheduleArgs, toScheduleData } from './rule.ts'

export default command({
  name: 'add',
  description: 'Add a schedule, without a deploy',
  examples: [
    `tq schedules add digest --cron '0 7 * * 1-5' --timezone Europe/Oslo --task digest.send --input '{"to":"a@example.com"}'`,
    'tq schedules add customer-7:report --every 1h --task report --input - < input.json',
    'tq schedules add launch --at 2027-01-09T09:00+01:00 --task launch --app-name shop',
  ],
  args: {
    name: { type: 'positional', required: true, description: 'A name that no schedule has' },
    ...scheduleArgs,
    'app-name': {
      type: 'string',
      description: 'Whose beat fires it (default: the app in this folder)',
      valueHint: 'name',
    },
    ...appArg,
    ...commonArgs,
  },
  async run({ name, app: path, db, json, ...args }) {
    const appName = args['app-name']
    const data = await toScheduleData({ name }, args)
    const app = await checkingApp(path, appName)
    if (!app && appName === undefined)
      throw new UsageError(
        'expected --app-name, got none, and no tq.config.ts here: it says whose beat fires the schedule',
      )
    const added = await withBroker({ db }, (broker) => createSchedules({ broker, app, appName }).add(data))
    printOutcome('added', added, json)
    return OK
  },
})
