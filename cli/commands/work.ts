import { type Beat, createBeat } from '../../scheduler/index.ts'
import { systemClock } from '../../src/clock.ts'
import { createWorker, type Worker } from '../../src/worker/worker.ts'
import { appPositional, commonArgs, given, names, secondsAsMs, wholeNumber } from '../args.ts'
import { openBroker } from '../broker.ts'
import { command } from '../command.ts'
import { findApp, loadApp } from '../config.ts'
import { FORCED, OK } from '../exit.ts'
import { createLog } from '../log.ts'
import { callbacks, outbound } from '../outbound.ts'
import { runtimeName } from '../runtime.ts'
import { onSignals } from '../signals.ts'

export default command({
  name: 'work',
  description: 'Claim jobs and run them',
  examples: [
    'tq work --queues mail,default --concurrency 50',
    'tq work --burst                        run what is there, then exit: for cron',
    'tq work --beat --json | jq .kind       a worker that also fires schedules, as events',
    'TQ_BROKER_TOKEN="$TOKEN" tq work --broker https://tq.example',
  ],
  args: {
    ...appPositional,
    queues: {
      type: 'string',
      description: 'Queues, in the order in which they are served (default default)',
      valueHint: 'a,b',
    },
    concurrency: { type: 'string', description: 'Jobs at once (default 10)', valueHint: 'n' },
    'lease-seconds': {
      type: 'string',
      description: 'How long a claimed job stays ours without a sign of life (default 30)',
      valueHint: 's',
    },
    name: { type: 'string', description: 'Shown in tq queues (default worker)', valueHint: 'name' },
    burst: { type: 'boolean', description: 'Exit once nothing is claimable' },
    'max-jobs': { type: 'string', description: 'Exit after so many jobs', valueHint: 'n' },
    'max-seconds': { type: 'string', description: 'Claim nothing more after so long, and exit', valueHint: 's' },
    'grace-seconds': {
      type: 'string',
      description: 'How long running jobs may go on after a signal (default 10)',
      valueHint: 's',
    },
    beat: { type: 'boolean', description: 'Fire schedules as well' },
    broker: {
      type: 'string',
      description: 'A tq server whose jobs to run, with TQ_BROKER_TOKEN: no database, no Redis',
      valueHint: 'https://...',
    },
    ...commonArgs,
  },
  async run(args) {
    const { app, stampMs } = await loadApp(findApp(args.app ?? args.path))
    const options = {
      queues: names('queues', args.queues),
      concurrency: wholeNumber('concurrency', args.concurrency, { min: 1, max: 1_000 }),
      leaseMs: secondsAsMs('lease-seconds', args['lease-seconds']),
      maxJobs: wholeNumber('max-jobs', args['max-jobs'], { min: 1 }),
      name: args.name,
      burst: args.burst,
    }
    const maxMs = secondsAsMs('max-seconds', args['max-seconds'])
    const graceMs = secondsAsMs('grace-seconds', args['grace-seconds'])
    const onEvent = createLog({ json: args.json === true })
    const broker = openBroker({ db: args.db, server: args.broker })
    const own = { app, broker, runtime: runtimeName(), onEvent }
    const worker = createWorker({ ...own, callbacks: callbacks(), ...given(options) })
    const work = runUntilSignalled(worker, { graceMs, maxMs })
    const beat = args.beat ? createBeat({ ...own, stampMs, ...outbound() }) : undefined
    const { forced } = await (beat ? workBesides(work, worker, beat) : work)
    await broker.close()
    return forced ? FORCED : OK
  },
})

/** The beat ends with the worker; a beat that fails takes the worker with it, once that has drained. */
async function workBesides(work: Promise<Worked>, worker: Worker, beat: Beat): Promise<Worked> {
  const beaten = beat.run().finally(() => worker.stop())
  const [worked, outcome] = await Promise.allSettled([work.finally(() => beat.stop()), beaten])
  if (worked.status === 'rejected') throw worked.reason
  if (outcome.status === 'rejected') throw outcome.reason
  return worked.value
}

interface Worked {
  /** By a second signal. */
  readonly forced: boolean
}

interface Limits {
  readonly graceMs: number | undefined
  readonly maxMs: number | undefined
}

/** A signal drains; a second one returns everything at once. */
async function runUntilSignalled(worker: Worker, { graceMs, maxMs }: Limits): Promise<Worked> {
  let forced = false
  const drain = () => worker.stop(given({ graceMs }))
  const force = () => {
    forced = true
    worker.stop({ graceMs: 0 })
  }
  const ignore = onSignals({ first: drain, second: force })
  const cancel = maxMs === undefined ? () => {} : systemClock.after(maxMs, drain)
  try {
    await worker.run()
    return { forced }
  } finally {
    cancel()
    ignore()
  }
}
