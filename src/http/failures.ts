import type { Context, MiddlewareHandler } from 'hono'
import type { Clock } from '../clock.ts'
import { networkOf } from '../networks.ts'
import { RefusedRequest, refusal } from './problem.ts'

/** Where a request comes from, as its server knows it; nothing where that is not known. */
export type AddressOf = (request: Request) => string | null | undefined

const MAX_FAILURES = 20
const WINDOW_MS = 60_000
/** The most addresses that are remembered; beyond, the one that is longest known is forgotten. */
const MAX_ADDRESSES = 10_000

interface Failures {
  readonly untilMs: number
  count: number
}

/**
 * Refuses an address for the rest of a minute after too many failed checks in it, in this process, whatever it sends then: a token that
 * would have been right is answered as any other.
 */
export function slowDown(addressOf: AddressOf, clock: Clock): MiddlewareHandler {
  const known = new Map<string, Failures>()

  function currentOf(address: string): Failures | undefined {
    const failures = known.get(address)
    if (failures && clock.monotonic() >= failures.untilMs) known.delete(address)
    return known.get(address)
  }

  function add(address: string): void {
    const failures = currentOf(address) ?? { untilMs: clock.monotonic() + WINDOW_MS, count: 0 }
    failures.count++
    known.set(address, failures)
    const [first] = known.keys()
    if (known.size > MAX_ADDRESSES && first !== undefined) known.delete(first)
  }

  return async (c, next) => {
    const given = addressOf(c.req.raw)
    if (given === undefined || given === null) return next()
    const address = networkOf(given)
    const failures = currentOf(address)
    if (failures && failures.count >= MAX_FAILURES) throw tooMany(failures.untilMs - clock.monotonic())
    await next()
    if (c.error instanceof RefusedRequest && isTry(c, c.error.problem.type)) add(address)
  }
}

/** What a page of anybody's can have a browser send counts as no try: it would shut out all who share its address. */
function isTry(c: Context, type: string): boolean {
  if (type === 'urn:tq:problem:unauthorized') return c.req.header('Authorization') !== undefined
  return type === 'urn:tq:problem:unsigned' && c.req.header('Sec-Fetch-Site') !== 'cross-site'
}

function tooMany(restMs: number) {
  return refusal('too-many-failures', `expected at most ${MAX_FAILURES} failed checks in a minute, got as many`, {
    headers: { 'Retry-After': String(Math.ceil(restMs / 1_000)) },
  })
}
