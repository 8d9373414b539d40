import { appPositional, commonArgs, names, secondsAsMs, wholeNumber } from '../args.ts'
import { command } from '../command.ts'
import { findApp } from '../config.ts'
import { runDev } from '../dev/session.ts'
import { UsageError } from '../errors.ts'

const DEFAULT_GRACE_MS = 10_000

export default command({
  name: 'dev',
  description: 'Run an app in one process: REST, worker and beat; reload it on save',
  examples: ['tq dev', 'tq dev examples/push-digest', 'tq dev --port 3000 --db :memory:', 'tq dev --redis'],
  args: {
    ...appPositional,
    port: { type: 'string', description: 'Default 8787, or the next free one; 0 takes any', valueHint: 'port' },
    redis: {
      type: 'boolean',
      description: 'Start a redis-server from the PATH, and the gateway before it; jobs go there',
    },
    queues: {
      type: 'string',
      description: "Queues to serve (default: default and those of the app's schedules)",
      valueHint: 'a,b',
    },
    concurrency: { type: 'string', description: 'Jobs at once (default 10)', valueHint: 'n' },
    'grace-seconds': {
      type: 'string',
      description: 'How long running jobs may go on after a signal (default 10)',
      valueHint: 's',
    },
    ...commonArgs,
  },
  async run({ app, path, db, redis = false, json = false, port, queues, concurrency, ...args }) {
    if (redis && db !== undefined) throw new UsageError('expected --redis or --db, got both: leave one of them out')
    return runDev({
      file: findApp(app ?? path),
      db,
      redis,
      json,
      port: wholeNumber('port', port, { min: 0, max: 65_535 }),
      queues: names('queues', queues),
      concurrency: wholeNumber('concurrency', concurrency, { min: 1, max: 1_000 }),
      graceMs: secondsAsMs('grace-seconds', args['grace-seconds']) ?? DEFAULT_GRACE_MS,
    })
  },
})
