import { createClient, type EnqueueOptions } from '../../src/client/client.ts'
import { appArg, commonArgs, given, names, secondsAsMs, wholeNumber } from '../args.ts'
import { withBroker } from '../broker.ts'
import { command } from '../command.ts'
import { findAppIfAny, loadApp } from '../config.ts'
import { OK } from '../exit.ts'
import { readInput } from '../input.ts'
import { printJson, printLine } from '../print.ts'
import { printResult } from '../result.ts'

export default command({
  name: 'enqueue',
  description: 'Enqueue one job and print its id',
  examples: [
    `tq enqueue greet '{"name":"Ada"}'`,
    `tq enqueue greet '{"name":"Ada"}' --wait 10      print the result`,
    'tq enqueue report --delay-ms 60000 --priority 5 --queue slow --tag eu,monthly',
    'tq enqueue push.received - < push.json',
    'tq enqueue report --on-success https://app.example/hooks/report',
  ],
  args: {
    task: { type: 'positional', required: true, description: 'The name of the task' },
    input: { type: 'positional', required: false, description: 'Its input as JSON; - reads it from stdin' },
    'delay-ms': { type: 'string', description: 'How long until it is due', valueHint: 'ms' },
    priority: { type: 'string', description: 'Higher is claimed first (default 0)', valueHint: 'n' },
    queue: { type: 'string', description: 'Default default', valueHint: 'name' },
    id: { type: 'string', description: 'The same id again creates nothing', valueHint: 'id' },
    tag: { type: 'string', description: 'Names to find it by, at most 8', valueHint: 'a,b' },
    'on-success': {
      type: 'string',
      description: 'Told once it has succeeded, by a callback',
      valueHint: 'https://...',
    },
    'on-failure': { type: 'string', description: 'Told once it has failed for good', valueHint: 'https://...' },
    wait: { type: 'string', description: 'Wait so long for the result, and print it', valueHint: 's' },
    ...appArg,
    ...commonArgs,
  },
  async run({ task, input, app, db, json = false, queue, id, priority, tag, wait, ...args }) {
    const options = given<EnqueueOptions>({
      delayMs: wholeNumber('delay-ms', args['delay-ms'], { min: 0 }),
      priority: wholeNumber('priority', priority, { min: -1_000_000, max: 1_000_000 }),
      queue,
      id,
      tags: names('tag', tag),
      onSuccess: args['on-success'],
      onFailure: args['on-failure'],
    })
    const waitMs = secondsAsMs('wait', wait)
    const value = await readInput(input)
    const file = findAppIfAny(app)
    const { tasks, blobs } = file ? (await loadApp(file)).app : {}
    return withBroker({ db }, async (broker) => {
      const client = createClient({ broker, blobs, ...given({ tasks }) })
      const job = await client.enqueue(task as never, value as never, options)
      if (waitMs !== undefined) return printResult(job, { json, waitMs })
      if (json) printJson({ id: job.id, created: job.created, state: (await job.get())?.state ?? null })
      else printLine(job.id)
      return OK
    })
  },
})
