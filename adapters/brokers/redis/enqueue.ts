import type { Job } from '../../../src/job.ts'
import { PRELUDE } from './lua.ts'
import { STORE } from './store.ts'

/**
 * Stores jobs.
 *
 * ARGV: prefix, now ('' asks the server), the most ready and the most timed jobs of a queue, whether the queues are new to
 * this process, then seven per job: id, queue, priority, delayMs, dueAtMs ('' for none), meta, input.
 * Returns one word per job: created, existing, conflict, full.
 * Commands: EVALSHA, RPUSH, MSETNX for new jobs of one queue that are due; TIME, ZADD and ZRANGE instead of RPUSH for timed
 * ones; RPOP and PUBLISH when a queue turns non-empty and somebody waits; SADD the first time.
 */
export const ENQUEUE = `${PRELUDE}
local given, maxReady, maxTimed, newQueues = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
${STORE}
local out = storeJobs(readJobs(6))
flushHints()
return out
`

export function enqueueArguments(jobs: readonly Job[]): string[] {
  return jobs.flatMap((job) => [
    job.id,
    job.queue,
    String(job.priority),
    job.delayMs ? String(Math.round(job.delayMs)) : '',
    job.dueAtMs ? String(Math.round(job.dueAtMs)) : '',
    toMeta(job),
    job.input,
  ])
}

/** `task|createdAtMs|v|tick`: a task's name has no `|`, and the tick stands last. */
export function toMeta({ task, createdAtMs, v, tick }: Job): string {
  return `${task}|${createdAtMs}|${v && v > 1 ? v : ''}|${tick ? JSON.stringify(tick) : ''}`
}
