import type { EnqueueOutcome } from '../../../src/broker.ts'
import type { Job } from '../../../src/job.ts'
import { script } from './lua.ts'
import { notOurs } from './rest.ts'
import { STORE } from './store.ts'

/**
 * Stores jobs.
 *
 * ARGV: prefix, now ('' asks the server), the most ready and the most timed jobs of a queue, what to do when it is full,
 * whether queues are new to this process, whether an id is named twice, then the jobs as `STORE` reads them.
 * Returns one letter per job as `STORE` does.
 * Commands: EVALSHA, RPUSH, MSETNX for new jobs of one queue that are due; TIME, ZADD and ZRANGE instead of RPUSH for timed
 * ones, ZADD and ZCARD for those with a priority; RPOP and PUBLISH when a queue turns non-empty and somebody waits; SADD the first
 * time. Where the oldest are dropped: TIME, LRANGE, MGET, ZMSCORE, MSET, LTRIM, RPUSH, ZADD, and PUBLISH when somebody waits for one.
 */
export const ENQUEUE = script(`
local given, maxReady, maxTimed, dropOldest = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == 'drop-oldest'
local newQueues, namesTwice = ARGV[6] == '1', ARGV[7] == '1'
${STORE}
readJobs(8)
local out = storeJobs()
flushWindows(); flushHints()
return out
`)

/** Those of one producer ascend: then no two are the same, and most batches need no further look. */
export function isAnyTwice(jobs: readonly Job[]): boolean {
  const ascend = jobs.every(({ id }, at) => at === 0 || (jobs[at - 1] as Job).id < id)
  return !ascend && new Set(jobs.map(({ id }) => id)).size < jobs.length
}

/** Jobs that follow each other and differ in id and input alone, as a batch's do, name the rest once. */
export function enqueueArguments(jobs: readonly Job[]): string[] {
  const args: string[] = []
  let countAt = 0
  let first: Job | undefined
  for (const job of jobs) {
    if (!first || !isAlike(first, job)) {
      args.push(...commonArguments(job), '0')
      countAt = args.length - 1
      first = job
    }
    args[countAt] = String(Number(args[countAt]) + 1)
    args.push(job.id, job.input)
  }
  return args
}

function isAlike(a: Job, b: Job): boolean {
  return (
    a.createdAtMs === b.createdAtMs &&
    a.task === b.task &&
    a.queue === b.queue &&
    a.priority === b.priority &&
    a.delayMs === b.delayMs &&
    a.dueAtMs === b.dueAtMs &&
    a.v === b.v &&
    a.tick === b.tick &&
    a.tags?.join() === b.tags?.join() &&
    a.fingerprint === b.fingerprint &&
    a.onSuccess === b.onSuccess &&
    a.onFailure === b.onFailure
  )
}

function commonArguments(job: Job): string[] {
  const { queue, priority, delayMs, dueAtMs } = job
  return [
    queue,
    String(priority),
    delayMs ? String(Math.round(delayMs)) : '',
    dueAtMs ? String(Math.round(dueAtMs)) : '',
    toMeta(job),
  ]
}

const OUTCOMES: Readonly<Record<string, EnqueueOutcome>> = { C: 'created', E: 'existing', X: 'conflict', F: 'full' }

/** Throws `BrokerUnavailable` for what is no answer of our script's. */
export function toEnqueueOutcomes(letters: unknown, count: number): readonly EnqueueOutcome[] {
  if (typeof letters !== 'string' || letters.length !== count) throw notOurs()
  return Array.from(letters, (letter) => {
    const outcome = OUTCOMES[letter]
    if (!outcome) throw notOurs()
    return outcome
  })
}

/**
 * `task|createdAtMs|v|more`: a task's name has no `|`, and what only some jobs have stands last: a tick's fields, `tags`, `fingerprint` and
 * callbacks. An older version reads what stands before it.
 */
export function toMeta({ task, createdAtMs, v, tick, tags, fingerprint, onSuccess, onFailure }: Job): string {
  const few = { ...(tags?.length ? { tags } : {}), fingerprint, onSuccess, onFailure }
  const more = JSON.stringify({ ...tick, ...few })
  return `${task}|${createdAtMs}|${v && v > 1 ? v : ''}|${more === '{}' ? '' : more}`
}
