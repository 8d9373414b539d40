/**
 * `Idempotency-Key`, by draft-ietf-httpapi-idempotency-key-header-07: a request that is sent again under its key does nothing more, and is
 * answered as the first one.
 *
 * There is no store of answers. The ids of a request's jobs come from its caller and its key alone, so that the broker finds the first
 * one in the very step that would store the second, whichever instance sends it and for as long as it knows of the jobs. They carry the
 * request's fingerprint, by which another request under the key is a conflict. The answer follows from the request.
 *
 * @module
 */
import type { Context } from 'hono'
import { sha256, toBytes, toHex } from '../hmac.ts'
import { KEY_FORM, toKey } from './idempotency-key.ts'
import { isKind, refusal, toRefusal } from './problem.ts'
import { whoOf } from './scopes.ts'

/** What a request under a key stands for. */
export interface Keyed {
  /** Of its first job; the others' begin with it. */
  readonly id: string
  readonly fingerprint: string
  /** To be called where all that it asks for was done already. */
  readonly replayed: () => void
}

export interface Asked {
  /** All that another request may not differ in, as JSON carries it. */
  readonly request: object
  /** Whose key it is. Default: the token's. */
  readonly who?: string
}

/** Runs what a request asks for, with what its key stands for where it has one: one request at a time under the same. */
export type Once = <T>(c: Context, asked: Asked, run: (keyed?: Keyed) => Promise<T>) => Promise<T>

export function createOnce(): Once {
  const underWay = new Set<string>()
  return async (c, { request, who = whoOf(c) }, run) => {
    const key = keyOf(c)
    if (key === undefined) return run()
    const id = `key-${await digest([who, key])}`
    const fingerprint = await digest([id, request])
    if (underWay.has(id)) throw isUnderWay()
    underWay.add(id)
    try {
      return await run({ id, fingerprint, replayed: () => c.header('Idempotent-Replayed', 'true') })
    } catch (error) {
      throw isKind(toRefusal(error), 'job-conflict') ? wasReused() : error
    } finally {
      underWay.delete(id)
    }
  }
}

function keyOf(c: Context): string | undefined {
  const header = c.req.header('Idempotency-Key')
  if (header === undefined) return undefined
  const key = toKey(header)
  if (key === undefined) throw refusal('invalid-request', `${KEY_FORM}; got ${header.length} characters that are none`)
  return key
}

/** Of two texts or values that differ, never the same. */
async function digest(value: unknown): Promise<string> {
  return toHex(await sha256(toBytes(JSON.stringify(value)))).slice(0, 32)
}

/** The id of a job is the key's to give. */
export function requireNoId(ids: readonly (string | undefined)[]): void {
  if (ids.some((id) => id !== undefined))
    throw refusal('invalid-request', 'expected an id or an Idempotency-Key, got both: the key makes the id')
}

function isUnderWay() {
  const detail =
    'expected one request at a time under an Idempotency-Key, got another while the first is under way: send it again'
  return refusal('key-under-way', detail, { headers: { 'Retry-After': '1' } })
}

function wasReused() {
  return refusal(
    'key-reused',
    'expected the request that was sent first under this Idempotency-Key, got another: nothing of it was done; give it a key of its own',
  )
}
