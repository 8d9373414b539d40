#!/usr/bin/env node
import { type Commands, main } from './main.ts'
import { flushed } from './print.ts'

const commands: Commands = {
  init: () => import('./commands/init.ts'),
  dev: () => import('./commands/dev.ts'),
  serve: () => import('./commands/serve.ts'),
  work: () => import('./commands/work.ts'),
  beat: () => import('./commands/beat.ts'),
  enqueue: () => import('./commands/enqueue.ts'),
  result: () => import('./commands/result.ts'),
  jobs: () => import('./commands/jobs.ts'),
  events: () => import('./commands/events.ts'),
  queues: () => import('./commands/queues.ts'),
  schedules: () => import('./commands/schedules/index.ts'),
  token: () => import('./commands/token/index.ts'),
  link: () => import('./commands/link.ts'),
  gateway: () => import('./commands/gateway.ts'),
  cost: () => import('./commands/cost.ts'),
}

// The reader of a pipe may go first: `tq jobs | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
const exitCode = await main(process.argv.slice(2), commands)
await flushed()
// Not left to the event loop: an app may hold connections open that nobody will close.
process.exit(exitCode)
