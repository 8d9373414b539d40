import { parseDuration } from '../../scheduler/duration.ts'
import type { Broker, JobFilter, JobPage, LeaseRef } from '../../src/broker.ts'
import { systemClock } from '../../src/clock.ts'
import { JobNotFound } from '../../src/errors.ts'
import { toJobView } from '../../src/http/job-view.ts'
import type { JobRecord } from '../../src/job.ts'
import { isFinished, JOB_STATES, type JobState } from '../../src/words.ts'
import { commonArgs, given, names, wholeNumber } from '../args.ts'
import { withBroker } from '../broker.ts'
import { type Command, command, group } from '../command.ts'
import { UsageError } from '../errors.ts'
import { FAILED, OK } from '../exit.ts'
import { didYouMean } from '../flags.ts'
import { printJson, printLine, printNote, toTable } from '../print.ts'
import { printField } from '../print-field.ts'
import { printJob } from '../result.ts'
import { toTime } from '../times.ts'

const MAX_LIMIT = 1_000

const list = command({
  name: 'list',
  description: 'List jobs, newest first',
  examples: [
    'tq jobs --state failed --task push.received',
    'tq jobs --state failed --older-than 7d --limit 1000 --json | jq -r ".jobs[].id" | xargs tq jobs remove',
  ],
  args: {
    state: { type: 'string', description: `Only these: ${JOB_STATES.join(', ')}`, valueHint: 'a,b' },
    queue: { type: 'string', description: 'Only of this queue', valueHint: 'name' },
    task: { type: 'string', description: 'Only of this task', valueHint: 'name' },
    tag: { type: 'string', description: 'Only with this tag', valueHint: 'name' },
    'older-than': { type: 'string', description: 'Only created longer ago than this', valueHint: '7d' },
    limit: { type: 'string', description: 'At most so many (default 50)', valueHint: 'n' },
    cursor: { type: 'string', description: 'Where the last page ended', valueHint: 'cursor' },
    ...commonArgs,
  },
  async run({ state, queue, task, tag, 'older-than': age, limit, cursor, db, json }) {
    const states = names('state', state)?.map(toState)
    const filter = given({
      states,
      queue,
      task,
      tag,
      createdToMs: age === undefined ? undefined : systemClock.now() - toAgeMs(age),
      cursor,
      limit: wholeNumber('limit', limit, { min: 1, max: MAX_LIMIT }),
    })
    const page = await withBroker({ db, mustExist: true }, (broker) => listSome(broker, filter))
    if (json) {
      printJson({ jobs: page.jobs.map(toJobView), cursor: page.cursor })
      return OK
    }
    printLine(toTable(['ID', 'TASK', 'QUEUE', 'STATE', 'ATTEMPTS', 'AT'], page.jobs.map(toRow)))
    if (page.cursor) printNote(`more with --cursor ${page.cursor}`)
    return OK
  },
})

/** A page that has found nothing yet is no answer: goes on for a while. */
const MAX_EMPTY_PAGES = 20

async function listSome(broker: Broker, filter: JobFilter): Promise<JobPage> {
  let page = await broker.list(filter)
  for (let empty = 1; empty < MAX_EMPTY_PAGES && page.jobs.length === 0 && page.cursor !== null; empty++)
    page = await broker.list({ ...filter, cursor: page.cursor })
  return page
}

const show = command({
  name: 'show',
  description: 'Show one job, all of it',
  examples: ['tq jobs show 019a5b7e-1c3d-7000-8000-3f2a6c1d9e44'],
  args: { id: { type: 'positional', required: true, description: "The job's id" }, ...commonArgs },
  async run({ id, db, json }) {
    return withBroker({ db, mustExist: true }, async (broker) => {
      const [record] = await broker.get([id])
      if (!record) throw new JobNotFound(id)
      if (json) await printJob({ id, get: async () => record })
      else for (const [field, value] of Object.entries(toJobView(record))) printField(field, value)
      return OK
    })
  },
})

const cancel = change(
  'cancel',
  'Cancel jobs: waiting ones at once, running ones by asking their worker',
  '--state scheduled,queued --task greet',
  (broker, ids) => broker.cancel(ids),
)
const retry = change('retry', 'Run failed and cancelled jobs again, from their first attempt', '--state failed', replay)
const promote = change('promote', 'Have jobs that are due later be due now', '--state retrying', makeDue)
const remove = change('remove', 'Remove jobs that are not running', '--state succeeded', (broker, ids) =>
  broker.remove(ids),
)

export default group('jobs', 'List, show, cancel, retry, promote and remove jobs', [
  list,
  show,
  cancel,
  retry,
  promote,
  remove,
])

/** Outcomes that leave a job as it was although something else was wanted. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['unknown', 'unknown: it was never enqueued, or its record has expired'],
  ['finished', 'not cancelled: it has finished'],
  ['retry moved', 'not retried: it has neither failed nor been cancelled'],
  ['promote moved', 'not promoted: it is neither scheduled nor retrying'],
  ['active', 'not removed: it is running, cancel it first'],
])

function change(
  name: string,
  description: string,
  example: string,
  apply: (broker: Broker, ids: readonly string[]) => Promise<readonly string[]>,
): Command {
  return command({
    name,
    description,
    examples: [`tq jobs ${name} "$ID"`, `tq jobs ${example} --json | jq -r '.jobs[].id' | xargs tq jobs ${name}`],
    args: {
      id: { type: 'positional', required: true, description: 'The ids of the jobs, one or more' },
      ...commonArgs,
    },
    variadic: true,
    async run({ _: ids, db, json }) {
      const outcomes = await withBroker({ db, mustExist: true }, (broker) => apply(broker, ids))
      const jobs = ids.map((id, at) => ({ id, outcome: outcomes[at] ?? 'unknown' }))
      const refused = (outcome: string) => REFUSED.get(outcome) ?? REFUSED.get(`${name} ${outcome}`)
      if (json) printJson(jobs)
      else for (const { id, outcome } of jobs) printLine(`${id}  ${refused(outcome) ?? outcome}`)
      return jobs.some(({ outcome }) => refused(outcome)) ? FAILED : OK
    },
  })
}

async function replay(broker: Broker, ids: readonly string[]): Promise<readonly string[]> {
  return broker.retry(await asSeen(broker, ids))
}

async function makeDue(broker: Broker, ids: readonly string[]): Promise<readonly string[]> {
  return broker.promote(await asSeen(broker, ids))
}

async function asSeen(broker: Broker, ids: readonly string[]): Promise<LeaseRef[]> {
  const records = await broker.get(ids)
  return ids.map((id, at) => ({ id, epoch: records[at]?.epoch ?? 0 }))
}

function toAgeMs(age: string): number {
  const ageMs = parseDuration(age)
  if (ageMs !== null) return ageMs
  throw new UsageError(`expected --older-than to be a duration such as 90s, 12h or 7d, got "${age}"`)
}

function toState(name: string): JobState {
  const state = JOB_STATES.find((known) => known === name)
  if (state) return state
  throw new UsageError(`expected --state to be a state of a job, got "${name}"${didYouMean(name, JOB_STATES, '')}`)
}

function toRow({ id, task, queue, state, attempts, atMs, finishedAtMs, createdAtMs }: JobRecord): string[] {
  return [id, task, queue, state, String(attempts), toTime(isFinished(state) ? finishedAtMs : (atMs ?? createdAtMs))]
}
