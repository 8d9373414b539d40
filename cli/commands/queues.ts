import type { Broker, BrokerStats, Purged } from '../../src/broker.ts'
import { spentOn } from '../../src/spent.ts'
import { JOB_STATES, type JobState } from '../../src/words.ts'
import { commonArgs } from '../args.ts'
import { withBroker } from '../broker.ts'
import { type Command, command, group } from '../command.ts'
import { FAILED, OK } from '../exit.ts'
import { printJson, printLine, toTable } from '../print.ts'
import { toDuration } from '../times.ts'

const list = command({
  name: 'list',
  description: 'Count the jobs of each queue, and name the workers',
  examples: ['tq queues', 'tq queues --json | jq ".queues[].counts.failed"'],
  args: commonArgs,
  async run({ db, json }) {
    const stats = await withBroker({ db, mustExist: true }, async (broker) => ({
      ...(await broker.stats()),
      ...spentOn(broker),
    }))
    if (json) printJson(stats)
    else printStats(stats)
    return OK
  },
})

const pause = setter('pause', 'Let workers claim nothing more from a queue', true)
const resume = setter('resume', 'Let workers claim from a queue again', false)

const purge = command({
  name: 'purge',
  description: 'Remove all jobs that wait in a queue; those that run, and those that have finished, stay',
  examples: ['tq queues pause mail && tq queues purge mail'],
  args: { queue: { type: 'positional', required: true, description: 'The name of the queue' }, ...commonArgs },
  async run({ queue, db, json }) {
    const purged = await withBroker({ db, mustExist: true }, (broker) => purgeAll(broker, queue))
    if (json) printJson({ queue, ...purged })
    else
      printLine(
        `${queue}  ${purged.removed} removed${purged.outcome === 'moved' ? ', then changed by somebody else' : ''}`,
      )
    return purged.outcome === 'moved' ? FAILED : OK
  },
})

export default group('queues', 'Count jobs per queue; pause, resume and purge queues', [list, pause, resume, purge])

/** Step by step, each based on what the one before has left: whoever changes the queue meanwhile ends it. */
async function purgeAll(broker: Broker, queue: string): Promise<Pick<Purged, 'outcome' | 'removed'>> {
  let removed = 0
  for (let revision = (await broker.stats({ queues: [queue] })).queues[0]?.revision ?? 0; ; revision++) {
    const step = await broker.purge(queue, revision)
    removed += step.removed
    if (!step.more) return { outcome: step.outcome, removed }
  }
}

function setter(name: string, description: string, paused: boolean): Command {
  return command({
    name,
    description,
    examples: [`tq queues ${name} mail`],
    args: { queue: { type: 'positional', required: true, description: 'The name of the queue' }, ...commonArgs },
    async run({ queue, db, json }) {
      const outcome = await withBroker({ db }, (broker) => setPaused(broker, queue, paused))
      if (json) printJson({ queue, paused, outcome })
      else printLine(`${queue}  ${outcome === 'moved' ? 'changed by somebody else, try again' : `${name}d`}`)
      return outcome === 'moved' ? FAILED : OK
    },
  })
}

/** Based on what the queue is now: where it is so already, nothing is written. */
async function setPaused(broker: Broker, queue: string, paused: boolean): Promise<string> {
  const { queues } = await broker.stats()
  const found = queues.find((stats) => stats.queue === queue)
  if ((found?.paused ?? false) === paused) return 'existing'
  return broker.setPaused(queue, paused, found?.revision ?? 0)
}

/** Shown also when there is none. */
const USUAL: ReadonlySet<JobState> = new Set(['scheduled', 'queued', 'active', 'failed'])

function printStats({ queues, workers, nowMs }: BrokerStats): void {
  const states = JOB_STATES.filter((state) => USUAL.has(state) || queues.some(({ counts }) => counts[state]))
  const rows = queues.map(({ queue, paused, counts }) => [
    queue,
    ...states.map((state) => String(counts[state] ?? 0)),
    paused ? 'paused' : '',
  ])
  printLine(toTable(['QUEUE', ...states.map((state) => state.toUpperCase()), ''], rows))
  const isBilled = workers.some(({ commands }) => commands !== undefined)
  const seen = workers.map(({ worker, queues: served, concurrency, running, runtime, seenAtMs, commands = '' }) => [
    worker,
    served.join(','),
    `${running}/${concurrency}`,
    runtime,
    ...(isBilled ? [String(commands)] : []),
    `${toDuration(Math.max(0, nowMs - seenAtMs))} ago`,
  ])
  printLine(
    seen.length === 0
      ? '\nno workers seen lately'
      : `\n${toTable(['WORKER', 'QUEUES', 'RUNNING', 'RUNTIME', ...(isBilled ? ['COMMANDS'] : []), 'SEEN'], seen)}`,
  )
}
