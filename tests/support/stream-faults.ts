import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../src/clock.ts'

/**
 * What may happen to a piece of a stream of events, and how many of a hundred it happens to. `lose`: it never arrives; `delay`: it
 * arrives late; `cut`: half of it arrives, and the connection breaks; `stall`: neither it nor anything after it arrives,
 * and nothing says so; `refuse`: what would open a stream is answered 503.
 */
export const STREAM_FAULT_SHARES = { lose: 6, delay: 12, cut: 8, stall: 6, refuse: 15 }
export type StreamFault = keyof typeof STREAM_FAULT_SHARES

export interface StreamFaultsOptions {
  readonly random: () => number
  readonly clock: Clock
  readonly shares: Readonly<Partial<Record<StreamFault, number>>>
}

export interface StreamFaults {
  /** How often each has happened so far. */
  readonly faults: Readonly<Record<StreamFault, number>>
  /** Streams that were asked for so far, and pieces that came through. */
  readonly asked: number
  readonly passed: number
  /** Has this happen to every piece from now on, of streams that are open and new ones; `undefined`: nothing any more. */
  always(fault: StreamFault | undefined): void
  /** Hands a stream on from `url`, with faults. */
  pass(request: IncomingMessage, response: ServerResponse, url: string): Promise<void>
}

const MAX_DELAY_MS = 3_000

export function createStreamFaults({ random, clock, shares }: StreamFaultsOptions): StreamFaults {
  const faults = { lose: 0, delay: 0, cut: 0, stall: 0, refuse: 0 }
  let forced: StreamFault | undefined
  let isForced = false
  let asked = 0
  let passed = 0

  function pick(among: readonly StreamFault[]): StreamFault | undefined {
    const fault = isForced ? forced : among.find((one) => random() * 100 < (shares[one] ?? 0))
    if (fault === undefined || !among.includes(fault)) return undefined
    faults[fault]++
    return fault
  }

  /** Hands a piece on, and says whether the stream goes on. */
  function hand(piece: Uint8Array, response: ServerResponse): 'on' | 'stalled' {
    const send = () => {
      passed++
      response.write(piece)
    }
    const fault = pick(['lose', 'delay', 'cut', 'stall'])
    if (fault === 'stall') return 'stalled'
    if (fault === 'delay') clock.after(random() * MAX_DELAY_MS, send)
    else if (fault === 'cut') response.write(piece.slice(0, piece.length / 2), () => response.destroy())
    else if (fault === undefined) send()
    return 'on'
  }

  return {
    faults,
    get asked() {
      return asked
    },
    get passed() {
      return passed
    },
    always(fault) {
      isForced = true
      forced = fault
    },
    async pass({ headers }, response, url) {
      asked++
      if (pick(['refuse'])) return void response.writeHead(503).end()
      const leaving = new AbortController()
      response.on('close', () => leaving.abort())
      const reply = await fetch(url, {
        headers: { authorization: String(headers.authorization) },
        signal: leaving.signal,
      })
      response.writeHead(reply.status, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      let state = 'on'
      // What a stalled stream would bring is read all the same: the server is not to notice either.
      for await (const piece of reply.body as ReadableStream<Uint8Array>)
        if (state === 'on') state = hand(piece, response)
      response.end()
    },
  }
}
