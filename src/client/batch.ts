import { toBatches } from '../batches.ts'
import type { EnqueueOutcome } from '../broker.ts'
import { type Job, utf8Bytes } from '../job.ts'

type SendJobs = (jobs: readonly Job[]) => Promise<readonly EnqueueOutcome[]>

/** What a job weighs in a call besides its input: ids, names, numbers, punctuation. */
const ENVELOPE_BYTES = 300

function bytesOf({ input, onSuccess = '', onFailure = '' }: Job): number {
  return ENVELOPE_BYTES + utf8Bytes(input) + onSuccess.length + onFailure.length
}

/** Sends jobs in as few calls as the contract allows, and answers their outcomes in order. */
export async function sendAll(jobs: readonly Job[], send: SendJobs): Promise<readonly EnqueueOutcome[]> {
  const batches = toBatches(jobs, bytesOf)
  if (batches.length === 1) return send(batches[0] as readonly Job[])
  return (await Promise.all(batches.map(send))).flat()
}

interface PendingJob {
  readonly job: Job
  readonly resolve: (outcome: EnqueueOutcome) => void
  readonly reject: (error: unknown) => void
}

/** Collects the jobs that are enqueued within one turn of the microtask queue and sends them together. */
export function createBatch(send: SendJobs): (job: Job) => Promise<EnqueueOutcome> {
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
      if (pending.length === 0) queueMicrotask(flush)
      pending.push({ job, resolve, reject })
    })
}
