import type { JobHandle } from '../src/client/client.ts'
import { isTqError, JobNotFound, toError } from '../src/errors.ts'
import { toJobView } from '../src/http/job-view.ts'
import { FAILED, OK } from './exit.ts'
import { printError, printJson } from './print.ts'

/**
 * Waits for a job and prints what came of it: its result alone, or with `json` the whole job. Resolves with the exit code.
 *
 * Throws `JobNotFound`, and what the broker throws when it cannot be reached.
 */
export async function printResult(
  job: JobHandle,
  { json, waitMs }: { json: boolean; waitMs: number },
): Promise<number> {
  try {
    const result = await job.result({ timeoutMs: waitMs })
    if (json) await printJob(job)
    else printJson(result ?? null)
    return OK
  } catch (error) {
    if (!isTqError(error, 'JobFailed') && !isTqError(error, 'ResultTimeout')) throw error
    if (json) await printJob(job)
    printError(toError(error), false)
    return FAILED
  }
}

/** Prints a job as the REST API tells of it. Throws `JobNotFound`. */
export async function printJob(job: Pick<JobHandle, 'id' | 'get'>): Promise<void> {
  const record = await job.get()
  if (!record) throw new JobNotFound(job.id)
  printJson(toJobView(record))
}
