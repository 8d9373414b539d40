import type { Transition, TransitionPage } from '../../src/broker.ts'
import { systemClock } from '../../src/clock.ts'
import { createTransitionFeed } from '../../src/transition-feed.ts'
import { JOB_STATES } from '../../src/words.ts'
import { commonArgs, names } from '../args.ts'
import { withBroker } from '../broker.ts'
import { command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { OK } from '../exit.ts'
import { didYouMean } from '../flags.ts'
import { printJson, printLine, printNote } from '../print.ts'
import { untilSignal } from '../signals.ts'
import { toTime } from '../times.ts'

const STATES = [...JOB_STATES, 'removed'] as const
const RESEND_DEADLINE_MS = 20_000

export default command({
  name: 'events',
  description: 'Follow what becomes of jobs, where the broker keeps it (TQ_EVENTS=1)',
  examples: ['tq events', 'tq events --state failed,retrying --queue mail', 'tq events --json | jq -r .id'],
  args: {
    state: { type: 'string', description: `Only these: ${STATES.join(', ')}`, valueHint: 'a,b' },
    queue: { type: 'string', description: 'Only of this queue', valueHint: 'name' },
    task: { type: 'string', description: 'Only of this task', valueHint: 'name' },
    after: { type: 'string', description: 'Go on after this cursor of an earlier event', valueHint: 'cursor' },
    ...commonArgs,
  },
  async run({ state, queue, task, after, db, json = false }) {
    const states = names('state', state)?.map(toState)
    const isWanted = (one: Transition) =>
      (!states || states.includes(one.state)) && (!queue || one.queue === queue) && (!task || one.task === task)
    const tell = ({ transitions, gap }: TransitionPage) => {
      if (gap) printNote('some events before these are not kept any more')
      for (const one of transitions.filter(isWanted)) json ? printJson(one) : printLine(toLine(one))
    }
    return withBroker({ db, mustExist: true }, async (broker) => {
      const reading = { clock: systemClock, random: Math.random, deadlineMs: RESEND_DEADLINE_MS }
      const following = await createTransitionFeed(broker, reading).open(after)
      printNote(after === undefined ? 'following from now on' : 'following from there on')
      const stopped = new AbortController()
      const told = following.run(tell, stopped.signal)
      await Promise.race([told, untilSignal()])
      stopped.abort()
      await told
      return OK
    })
  },
})

function toState(name: string): Transition['state'] {
  const state = STATES.find((known) => known === name)
  if (state) return state
  throw new UsageError(`expected --state to be a state of a job, got "${name}"${didYouMean(name, STATES, '')}`)
}

function toLine({ atMs, state, task, id, queue, attempts }: Transition): string {
  const more = attempts > 0 ? `  attempts ${attempts}` : ''
  return `${toTime(atMs)}  ${state.padEnd(9)}  ${task.padEnd(18)}  ${id}  on ${queue}${more}`
}
