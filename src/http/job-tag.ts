/**
 * A job's `ETag`: its epoch and a digest of all that can change of it. The epoch stands in front so that a caller who sends the tag
 * back is fenced by the broker itself, in one call.
 *
 * @module
 */
import type { JobRecord } from '../job.ts'
import { toJobView } from './job-view.ts'

const DIGEST_BYTES = 8
const EPOCH = /^\s*"(\d{1,15})\.[\da-f]+"\s*$/

export async function tagOf(record: JobRecord): Promise<string> {
  const { input: _, result: __, ...changing } = toJobView(record)
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(changing)))
  const hex = Array.from(new Uint8Array(digest, 0, DIGEST_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `"${record.epoch}.${hex}"`
}

/** What a caller has seen, by its `If-Match`: an epoch, null for a tag that no job can have, undefined where anything will do. */
export function epochOf(ifMatch: string | undefined): number | null | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  const epoch = EPOCH.exec(ifMatch)?.[1]
  return epoch === undefined ? null : Number(epoch)
}
