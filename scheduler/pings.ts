import { addressOf, serverOf } from '../src/address.ts'
import type { Clock } from '../src/clock.ts'
import { isTqError } from '../src/errors.ts'
import type { OnEvent } from '../src/events.ts'
import { checkOutbound, type OutboundOptions, platformFetch } from '../src/outbound.ts'

/** GETs that tell others that a schedule fires: in the background, a few at once, and one for all that a schedule asks for meanwhile. */
export interface Pings {
  send(schedule: string, url: string): void
  /** Resolves once all are answered or given up; after so long no more are sent, and each takes 5 s at most. Never rejects. */
  ended(sendForMs: number): Promise<void>
}

export interface PingsOptions extends OutboundOptions {
  readonly clock: Clock
  readonly onEvent?: OnEvent | undefined
}

/** What Cloudflare allows. */
const MOST_AT_ONCE = 6
const TIMEOUT_MS = 5_000

/** Throws `InvalidOption` for what is no address; it is not repeated, since what is in it may be a secret. */
export function checkPingUrl(name: string, url: string | undefined): void {
  if (url !== undefined) addressOf(`pingUrl of "${name}"`, url)
}

const reasonOf = (error: unknown) =>
  isTqError(error, 'AddressRefused')
    ? 'a private address, which allowHosts or TQ_ALLOW_HOSTS does not name'
    : 'no answer'

export function createPings({ clock, fetch = platformFetch, allowHosts, onEvent }: PingsOptions): Pings {
  const waiting = new Map<string, string>()
  const underWay = new Set<Promise<void>>()

  function sendMore(): void {
    for (const [schedule, url] of waiting) {
      if (underWay.size === MOST_AT_ONCE) return
      waiting.delete(schedule)
      const sent = ping(schedule, url).then(() => {
        underWay.delete(sent)
        sendMore()
      })
      underWay.add(sent)
    }
  }

  /** Of the address the events name the server alone, and nothing of what an error says: it may repeat the rest. */
  async function ping(schedule: string, url: string): Promise<void> {
    const failed = (reason: string) =>
      onEvent?.({
        kind: 'ping.failed',
        schedule,
        to: serverOf(url),
        reason: `expected status 2xx, got ${reason}`,
      })
    const late = new AbortController()
    const cancel = clock.after(TIMEOUT_MS, () => late.abort())
    try {
      checkOutbound(url, allowHosts)
      const { ok, status, body } = await fetch(new Request(url, { redirect: 'manual', signal: late.signal }))
      await body?.cancel()
      if (!ok) failed(status === 0 ? 'a redirect' : String(status))
    } catch (error) {
      failed(late.signal.aborted ? `no answer within ${TIMEOUT_MS} ms` : reasonOf(error))
    } finally {
      cancel()
    }
  }

  return {
    send(schedule, url) {
      waiting.set(schedule, url)
      sendMore()
    },
    async ended(sendForMs) {
      const cancel = clock.after(sendForMs, () => {
        for (const [schedule, url] of waiting)
          onEvent?.({ kind: 'ping.failed', schedule, to: serverOf(url), reason: 'no time was left for it' })
        waiting.clear()
      })
      while (underWay.size > 0) await Promise.all(underWay)
      cancel()
    },
  }
}
