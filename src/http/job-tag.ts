/**
 * A job's `ETag`: its epoch and a digest of all that can change of it. The epoch stands in front so that a caller who sends the tag
 * back is fenced by the broker itself, in one call.
 *
 * @module
 */
import type { MiddlewareHandler } from 'hono'
import type { JobRecord } from '../job.ts'
import { toJobView } from './job-view.ts'

const EPOCH = /^\s*"(\d{1,15})\.[\da-f]+"\s*$/

export function tagOf(record: JobRecord): string {
  const { input: _, result: __, ...changing } = toJobView(record)
  return `"${record.epoch}.${digest(JSON.stringify(changing))}"`
}

const FNV_OFFSET = 0xcbf29ce484222325n
const FNV_PRIME = 0x100000001b3n

/** FNV-1a of 64 bits: it tells the versions of one job apart, and protects nothing. WebCrypto's digests make one wait. */
function digest(text: string): string {
  let hash = FNV_OFFSET
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME)
  return hash.toString(16).padStart(16, '0')
}

/** What a caller has seen, by its `If-Match`: an epoch, null for a tag that no job can have, undefined where anything will do. */
export function epochOf(ifMatch: string | undefined): number | null | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  const epoch = EPOCH.exec(ifMatch)?.[1]
  return epoch === undefined ? null : Number(epoch)
}

/** Answers 304 where the caller has what the answer's tag is of. Hono's own brings what makes tags of bodies, which no answer here needs. */
export const unlessSeen: MiddlewareHandler = async (c, next) => {
  await next()
  const tag = c.res.headers.get('ETag')
  if (tag !== null && isSeen(tag, c.req.header('If-None-Match'))) c.res = new Response(null, { status: 304 })
}

/** RFC 9110: any of several tags, weak ones as well; `*` stands for whatever there is. */
function isSeen(tag: string, ifNoneMatch = ''): boolean {
  return ifNoneMatch.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag)
}
