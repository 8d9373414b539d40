import { createBeat, deploySchedules, tick } from '../../scheduler/index.ts'
import { type Broker, MAX_AHEAD_MS } from '../../src/broker.ts'
import type { TqEvent } from '../../src/events.ts'
import { appPositional, commonArgs, wholeNumber } from '../args.ts'
import { withBroker } from '../broker.ts'
import { command } from '../command.ts'
import { findApp, type LoadedApp, loadApp } from '../config.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { createLog, toLine } from '../log.ts'
import { outbound } from '../outbound.ts'
import { printJson, printLine, printNote } from '../print.ts'
import { runtimeName } from '../runtime.ts'
import { untilSignal } from '../signals.ts'
import { printSimulation, simulateArgs, toSimulation } from '../simulate.ts'
import { toTime } from '../times.ts'

export default command({
  name: 'beat',
  description: 'Turn schedules into jobs',
  examples: [
    'tq beat',
    'tq beat --once                         fire what is due, then exit: for cron',
    'tq beat --once --ahead-seconds 60      and what falls due within a minute, as jobs that wait for it',
    'tq beat --simulate 2026-10-25 --timezone Europe/Oslo --days 2',
    'tq beat ./jobs --db /var/lib/app/tq.db',
  ],
  args: {
    ...appPositional,
    once: { type: 'boolean', description: 'Fire what is due now, and exit' },
    'ahead-seconds': {
      type: 'string',
      description: 'With --once: fire what falls due within so long as well, for its time (default 0)',
      valueHint: 'seconds',
    },
    ...simulateArgs,
    ...commonArgs,
  },
  async run({ app, path, db, once, json = false, ...args }) {
    const aheadMs = toAheadMs(args['ahead-seconds'], once)
    const simulation = toSimulation(args)
    if (simulation && once) throw new UsageError('expected --simulate or --once, got both: --simulate fires nothing')
    const loaded = await loadApp(findApp(app ?? path))
    if (simulation) {
      printSimulation(loaded.app.schedules, simulation, json)
      return OK
    }
    return withBroker({ db }, (broker) =>
      once ? beatOnce(loaded, broker, { aheadMs, json }) : beatOn(loaded, broker, json),
    )
  },
})

function toAheadMs(text: string | undefined, once: boolean | undefined): number {
  const seconds = wholeNumber('ahead-seconds', text, { min: 0, max: MAX_AHEAD_MS / 1_000 })
  if (seconds !== undefined && !once)
    throw new UsageError(
      'expected --ahead-seconds together with --once, got it alone: a beat that stays is there in time',
    )
  return (seconds ?? 0) * 1_000
}

async function beatOn({ app, stampMs }: LoadedApp, broker: Broker, json: boolean): Promise<number> {
  const beat = createBeat({ app, broker, stampMs, runtime: runtimeName(), onEvent: createLog({ json }), ...outbound() })
  void untilSignal().then(() => beat.stop())
  await beat.run()
  return OK
}

interface OnceOptions {
  readonly aheadMs: number
  readonly json: boolean
}

async function beatOnce({ app, stampMs }: LoadedApp, broker: Broker, { aheadMs, json }: OnceOptions): Promise<number> {
  const events: TqEvent[] = []
  const onEvent = (event: TqEvent) => void events.push(event)
  const deployed = await deploySchedules({ app, broker, stampMs, onEvent })
  const given = { app, broker, onEvent, ...outbound() }
  const { fired, nextAtMs, nowMs } = await tick({ ...given, name: 'once', runtime: runtimeName(), aheadMs })
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
