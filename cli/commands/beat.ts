import { createBeat, deploySchedules, tick } from '../../scheduler/index.ts'
import type { Broker } from '../../src/broker.ts'
import type { TqEvent } from '../../src/events.ts'
import { appPositional, commonArgs } from '../args.ts'
import { withBroker } from '../broker.ts'
import { command } from '../command.ts'
import { findApp, type LoadedApp, loadApp } from '../config.ts'
import { OK } from '../exit.ts'
import { createLog, toLine } from '../log.ts'
import { printJson, printLine, printNote } from '../print.ts'
import { untilSignal } from '../signals.ts'
import { toTime } from '../times.ts'

export default command({
  name: 'beat',
  description: 'Turn schedules into jobs',
  examples: [
    'tq beat',
    'tq beat --once                         fire what is due, then exit: for cron',
    'tq beat ./jobs --db /var/lib/app/tq.db',
  ],
  args: { ...appPositional, once: { type: 'boolean', description: 'Fire what is due now, and exit' }, ...commonArgs },
  async run({ app, path, db, once, json = false }) {
    const loaded = await loadApp(findApp(app ?? path))
    return withBroker({ db }, (broker) => (once ? beatOnce(loaded, broker, json) : beatOn(loaded, broker, json)))
  },
})

async function beatOn({ app, stampMs }: LoadedApp, broker: Broker, json: boolean): Promise<number> {
  const beat = createBeat({ app, broker, stampMs, onEvent: createLog({ json }) })
  void untilSignal().then(() => beat.stop())
  await beat.run()
  return OK
}

async function beatOnce({ app, stampMs }: LoadedApp, broker: Broker, json: boolean): Promise<number> {
  const events: TqEvent[] = []
  const onEvent = (event: TqEvent) => void events.push(event)
  const deployed = await deploySchedules({ app, broker, stampMs, onEvent })
  const { fired, nextAtMs, nowMs } = await tick({ app, broker, onEvent })
  if (json) {
    const ticks = events.filter(({ kind }) => kind === 'beat.fired').map(({ kind: _, ...facts }) => facts)
    printJson({ fired, ticks, nextAtMs, nowMs, deployed })
    return OK
  }
  if (deployed.outdated) printNote('a newer version of this app has deployed its schedules: ours were left out')
  for (const event of events) printLine(toLine(event))
  printLine(`fired ${fired}, next due ${toTime(nextAtMs)}`)
  return OK
}
