import { createSchedules } from '../../../scheduler/index.ts'
import { ScheduleNotFound } from '../../../src/errors.ts'
import type { RuleData, ScheduleView } from '../../../src/schedules.ts'
import { appArg } from '../../args.ts'
import { command } from '../../command.ts'
import { UsageError } from '../../errors.ts'
import { OK } from '../../exit.ts'
import { checkingApp, withSchedules } from '../../schedules.ts'
import { nameArgs, printOutcome } from './args.ts'
import { KINDS, type Known, scheduleArgs, toScheduleData } from './rule.ts'

export default command({
  name: 'set',
  description: 'Change a schedule: what is not given stays as it is',
  examples: [
    "tq schedules set digest --cron '0 8 * * 1-5'",
    'tq schedules set urls --every 5m --jitter 30s --end-at none',
  ],
  args: { ...nameArgs, ...scheduleArgs, ...appArg },
  async run({ name, app: path, db, json, ...args }) {
    const options = { db, appName: args['app-name'], mustExist: true }
    const set = await withSchedules(options, async ({ get }, broker) => {
      const found = await get(name)
      if (!found) throw new ScheduleNotFound(name)
      if (found.inputBy && args.input === undefined)
        throw new UsageError(
          `expected --input, got none: the app's code makes the input of "${name}", which nothing but its file can declare`,
        )
      if (!toRuleData(found.rule) && KINDS.every((kind) => args[kind] === undefined))
        throw new UsageError(
          `expected one of --cron, --every and --at, got none: the rule of "${name}" is one that nothing but the app's file can declare`,
        )
      const data = await toScheduleData(toKnown(found), args)
      const app = await checkingApp(path, found.app)
      return createSchedules({ broker, app, appName: found.app }).set(data, { revision: found.revision })
    })
    printOutcome(set.overridden ? "set until the app's file declares something else" : 'set', set, json)
    return OK
  },
})

function toKnown({ name, task, input, queue, priority, rule, catchUp, overlap, pingUrl }: ScheduleView): Known {
  return {
    name,
    task: task ?? undefined,
    input: input ?? undefined,
    queue: queue ?? undefined,
    priority: priority ?? undefined,
    rule: toRuleData(rule),
    catchUp,
    overlap,
    pingUrl,
  }
}

/** None of a rule that is the app's own, or that this version cannot read. */
function toRuleData(rule: ScheduleView['rule']): RuleData | undefined {
  return rule?.kind === 'cron' || rule?.kind === 'every' || rule?.kind === 'at' ? rule : undefined
}
