/**
 * Kicks: signed requests that ask an edge worker to drain (`POST /v1/drain`).
 *
 * The header `TQ-Kick` holds `<atMs>.<inARow>.<hex>`: when it was signed, how many drains in a row have asked for the next one, and
 * the HMAC-SHA256 of both. Whoever sends one again within its five minutes brings about a drain that finds nothing to do.
 *
 * @module
 */
import type { Clock } from './clock.ts'
import { toError } from './errors.ts'
import type { OnEvent } from './events.ts'
import { isSigned, sign } from './hmac.ts'

export const KICK_HEADER = 'TQ-Kick'
const FORM = /^(\d{1,15})\.(\d{1,3})\.([0-9a-f]{64})$/
const FRESH_MS = 300_000
const TIMEOUT_MS = 5_000

export interface KickTarget {
  /** Of an edge worker's drain: `https://.../v1/drain`. */
  readonly url: string
  /** One of those in the worker's `TQ_KICK_SECRET`. */
  readonly secret: string
  /** Sends it, such as a service binding's. Default the platform's own. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined
  readonly clock: Clock
  readonly onEvent: OnEvent | undefined
}

/** Sends one kick, once. Never rejects: a lost one costs latency, so it is told by an event alone. */
export async function sendKick({ url, secret, fetch = send, clock, onEvent }: KickTarget, inARow = 0): Promise<void> {
  try {
    const headers = { [KICK_HEADER]: await signKick(secret, clock.now(), inARow) }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const { status, body } = await fetch(new Request(url, { method: 'POST', headers, signal, redirect: 'manual' }))
    await body?.cancel()
    if (status !== 202) throw new Error(`expected status 202, got ${status}`)
  } catch (thrown) {
    onEvent?.({ kind: 'kick.failed', reason: toError(thrown).message })
  }
}

/** By its own name: some platforms' `fetch` minds being called as a property. */
const send = (request: Request) => fetch(request)

export async function signKick(secret: string, atMs: number, inARow: number): Promise<string> {
  return `${atMs}.${inARow}.${await sign(secret, signed(atMs, inARow))}`
}

/** How many in a row the header says, where one of the secrets has signed it within the last five minutes; null otherwise. */
export async function verifyKick(secrets: readonly string[], header: string | null, nowMs: number) {
  const [, atMs, inARow, hex = ''] = FORM.exec(header ?? '') ?? []
  const isFresh = Math.abs(nowMs - Number(atMs ?? Number.NaN)) <= FRESH_MS
  const isGood = isFresh && (await isSigned(secrets, signed(Number(atMs), Number(inARow)), hex))
  return isGood ? Number(inARow) : null
}

const signed = (atMs: number, inARow: number) => `tq-kick ${atMs}.${inARow}`
