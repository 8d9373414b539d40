import { appArg } from '../../args.ts'
import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { printJson, printLine } from '../../print.ts'
import { withCode, withSchedules } from '../../schedules.ts'
import { nameArgs, printOutcome } from './args.ts'

export const pause = command({
  name: 'pause',
  description: 'Let a schedule be due no more until it is resumed, whatever is deployed',
  examples: ['tq schedules pause digest'],
  args: nameArgs,
  async run({ name, db, json, ...args }) {
    const paused = await withSchedules({ db, appName: args['app-name'], mustExist: true }, (own) => own.pause(name))
    if (json) printJson(paused)
    else printLine(`${name}  paused`)
    return OK
  },
})

export const resume = command({
  name: 'resume',
  description: 'Let a paused schedule be due again, from now on',
  examples: ['tq schedules resume digest'],
  args: { ...nameArgs, ...appArg },
  async run({ name, app, db, json, ...args }) {
    const options = { db, app, appName: args['app-name'], mustExist: true }
    printOutcome('resumed', await withCode(options, (own) => own.resume(name)), json)
    return OK
  },
})
