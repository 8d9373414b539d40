import { nextFrom } from '../../../scheduler/definition.ts'
import { reasonOf } from '../../../scheduler/reason.ts'
import { zoneOffset } from '../../../scheduler/zone.ts'
import { ScheduleNotFound } from '../../../src/errors.ts'
import type { ScheduleView } from '../../../src/schedules.ts'
import { appArg, wholeNumber } from '../../args.ts'
import { command } from '../../command.ts'
import { OK } from '../../exit.ts'
import { printJson, printLine, printNote } from '../../print.ts'
import { withCode } from '../../schedules.ts'
import { toZonedTime } from '../../times.ts'
import { nameArgs } from './args.ts'

const MAX_COUNT = 1_000

export default command({
  name: 'next',
  description:
    "Print the next due times of a schedule, in its zone's time, and why where they are not as its rule reads",
  examples: ['tq schedules next digest', 'tq schedules next digest -n 3 --json'],
  args: {
    ...nameArgs,
    n: { type: 'string', description: 'How many (default 10)', valueHint: 'count' },
    ...appArg,
  },
  async run({ name, n, app, db, json, ...args }) {
    const count = wholeNumber('n', n, { min: 1, max: MAX_COUNT })
    const options = { db, app, appName: args['app-name'], mustExist: true }
    const { view, due, next } = await withCode(options, async (schedules, broker, loaded) => {
      const found = await schedules.get(name)
      if (!found) throw new ScheduleNotFound(name)
      const dueAtMs = await schedules.next(name, { count })
      const [stored] = (await broker.schedules({ names: [name] })).schedules
      return { view: found, due: dueAtMs, next: stored && nextFrom(stored, loaded?.schedules) }
    })
    const { rule } = view
    const schedule = rule && next && { name, rule, next }
    const offsetAt = zoneOffset(name, zoneOf(view))
    const times = due.map((dueAtMs) => ({
      schedule: name,
      dueAtMs,
      dueAt: toZonedTime(dueAtMs, offsetAt),
      reason: schedule ? reasonOf(schedule, dueAtMs) : null,
    }))
    if (json) printJson(times)
    else for (const { dueAt, reason } of times) printLine(reason && reason !== 'plain' ? `${dueAt}  ${reason}` : dueAt)
    if (times.length === 0) printNote(view.paused ? `${name} is paused` : `${name} is not due any more`)
    return OK
  },
})

function zoneOf({ rule }: ScheduleView): string {
  return rule && 'timezone' in rule ? rule.timezone : 'UTC'
}
