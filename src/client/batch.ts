import { toBatches } from '../batches.ts'
import { type EnqueueOutcome, MAX_BATCH_BYTES, MAX_BATCH_JOBS } from '../broker.ts'
import { TooLarge } from '../errors.ts'
import { type Job, utf8Bytes } from '../job.ts'

type SendJobs = (jobs: readonly Job[]) => Promise<readonly EnqueueOutcome[]>

/** Runs something once those who are at it in this turn have done their part. */
export type PutOff = (run: () => void) => unknown

/** What a job weighs in a call besides its input: ids, names, numbers, punctuation. */
const ENVELOPE_BYTES = 300

function bytesOf({ input, tags, onSuccess = '', onFailure = '' }: Job): number {
  return ENVELOPE_BYTES + utf8Bytes(input) + (tags ? utf8Bytes(tags.join()) : 0) + onSuccess.length + onFailure.length
}

/**
 * Sends jobs in as few calls as the contract allows, and answers their outcomes in order. Throws `TooLarge` for those of one request that
 * no call may carry together.
 */
export async function sendAll(jobs: readonly Job[], send: SendJobs): Promise<readonly EnqueueOutcome[]> {
  const batches = toBatches(jobs, bytesOf)
  if (batches.length === 1) return send(batches[0] as readonly Job[])
  for (const [at, batch] of batches.entries()) requireApart(jobs, batch.at(-1), batches[at + 1]?.[0])
  return (await Promise.all(batches.map(send))).flat()
}

function requireApart(jobs: readonly Job[], last: Job | undefined, next: Job | undefined): void {
  const { fingerprint } = last ?? {}
  if (fingerprint === undefined || next?.fingerprint !== fingerprint) return
  const bytes = jobs.reduce((sum, job) => sum + (job.fingerprint === fingerprint ? bytesOf(job) : 0), 0)
  throw new TooLarge('the jobs of one request', MAX_BATCH_BYTES, bytes, `send fewer of them, at most ${MAX_BATCH_JOBS}`)
}

interface PendingJob {
  readonly job: Job
  readonly resolve: (outcome: EnqueueOutcome) => void
  readonly reject: (error: unknown) => void
}

/** Collects the jobs that are enqueued until what was put off runs, and sends them together. */
export function createBatch(send: SendJobs, putOff: PutOff = queueMicrotask): (job: Job) => Promise<EnqueueOutcome> {
  let pending: PendingJob[] = []

  function flush(): void {
    const batch = pending
    pending = []
    sendAll(
      batch.map(({ job }) => job),
      send,
    ).then(
      (outcomes) => {
        for (const [at, { resolve }] of batch.entries()) resolve(outcomes[at] as EnqueueOutcome)
      },
      (error) => {
        for (const { reject } of batch) reject(error)
      },
    )
  }

  return (job) =>
    new Promise((resolve, reject) => {
      if (pending.length === 0) putOff(flush)
      pending.push({ job, resolve, reject })
    })
}
