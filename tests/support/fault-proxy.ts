import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, sleep, systemClock } from '../../src/clock.ts'
import { createStreamFaults, type StreamFaults, type StreamFaultsOptions } from './stream-faults.ts'

/**
 * What may happen to a request, and how many of a hundred it happens to. `dropRequest`: it never arrives; `dropReply`: it is executed and
 * the connection breaks; `repeat`: two copies at once; `late`: a copy of it arrives again, later; `held`: the same, once the
 * test lets it; `overdue`: it is refused, and arrives later after all; `delay`: others overtake it; `refuse`: 500, 502, 429
 * and the like without having been executed; `answerBadly`: the same after it was; `cut`: half of the reply's body.
 */
export const FAULT_SHARES = {
  dropRequest: 3,
  dropReply: 4,
  repeat: 4,
  late: 5,
  held: 2,
  overdue: 2,
  delay: 8,
  refuse: 4,
  answerBadly: 2,
  cut: 3,
}
export type Fault = keyof typeof FAULT_SHARES

export interface Reply {
  readonly status: number
  readonly text: string
  /** The connection breaks behind the text. */
  readonly broken?: boolean
}

export interface FaultProxyOptions {
  /** Where requests go. */
  readonly target: string
  /** Numbers in [0, 1): what decides, so that a seed makes the same choices again. */
  readonly random: () => number
  /** How late a late copy is at most; what is on its way longer than the test arrives by `deliverLate`. */
  readonly maxLateMs: number
  readonly shares?: Readonly<Partial<Record<Fault, number>>>
  /** The same for streams of events. Default none. */
  readonly streamShares?: StreamFaultsOptions['shares']
  /** Changes what is sent, for rules to be switched off: gets the body, and answers another one, or a reply at once. */
  readonly rewrite?: (body: string) => string | Reply
  /** Sees every request as it is sent on, and its reply. */
  readonly observe?: (body: string, reply: Reply) => void
  readonly clock?: Clock
}

export interface FaultProxy {
  readonly url: string
  /** How often each has happened so far, so that a test can tell that anything did. */
  readonly faults: Readonly<Record<Fault, number>>
  readonly streams: StreamFaults
  /** How late each late copy came. */
  readonly lateByMs: readonly number[]
  /** Lets everything through without faults from now on. */
  calm(): void
  /** Delivers every late copy that is still on its way. */
  deliverLate(): Promise<void>
  /** Delivers the copies that are held, and says how many. */
  deliverHeld(): Promise<number>
  stop(): Promise<void>
}

const MAX_DELAY_MS = 500
const MAX_HELD = 200

/** A bad network between an HTTP client and its server: everything that a request may meet on its way, over real sockets. */
export async function startFaultProxy({
  target,
  random,
  maxLateMs,
  shares = FAULT_SHARES,
  streamShares = {},
  rewrite = (body) => body,
  observe = () => {},
  clock = systemClock,
}: FaultProxyOptions): Promise<FaultProxy> {
  const streams = createStreamFaults({ random, clock, shares: streamShares })
  const faults = Object.fromEntries(Object.keys(FAULT_SHARES).map((name) => [name, 0])) as Record<Fault, number>
  const onTheWay = new Map<() => Promise<unknown>, () => void>()
  const held: (() => Promise<unknown>)[] = []
  const lateByMs: number[] = []
  let isCalm = false

  function pick(): Fault | undefined {
    if (isCalm) return undefined
    let rest = random() * 100
    for (const [fault, share] of Object.entries(shares) as [Fault, number][]) {
      rest -= share
      if (rest < 0) {
        faults[fault]++
        return fault
      }
    }
    return undefined
  }

  function later(send: () => Promise<unknown>): void {
    const sentMs = clock.monotonic()
    const deliver = () => {
      onTheWay.delete(deliver)
      lateByMs.push(clock.monotonic() - sentMs)
      return send().catch(() => {})
    }
    onTheWay.set(
      deliver,
      clock.after(random() * maxLateMs, () => void deliver()),
    )
  }

  async function meet(send: () => Promise<Reply>): Promise<Reply> {
    switch (pick()) {
      case 'dropRequest':
        return BROKEN
      case 'dropReply':
        await send()
        return BROKEN
      case 'repeat':
        return (await Promise.all([send(), send()]))[random() < 0.5 ? 0 : 1]
      case 'late':
        later(send)
        return send()
      case 'held':
        if (held.length < MAX_HELD) held.push(send)
        return send()
      case 'overdue':
        later(send)
        return badAnswer(random)
      case 'delay':
        await sleep(clock, random() * MAX_DELAY_MS)
        return send()
      case 'refuse':
        return badAnswer(random)
      case 'answerBadly':
        await send()
        return badAnswer(random)
      case 'cut':
        return cut(await send())
      case undefined:
        return send()
    }
  }

  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '/', method = 'GET', headers } = request
    const sent = { authorization: String(headers.authorization), 'content-type': 'application/json' }
    try {
      if (url.startsWith('/subscribe/')) return await streams.pass(request, response, `${target}${url}`)
      const body = rewrite(await readBody(request))
      const send = async () => {
        const reply = await fetch(`${target}${url}`, { method, headers: sent, body: body as string })
        const answered = { status: reply.status, text: await reply.text() }
        observe(body as string, answered)
        return answered
      }
      finish(response, typeof body === 'string' ? await meet(send) : body)
    } catch {
      response.destroy()
    }
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    streams,
    lateByMs,
    calm() {
      isCalm = true
      streams.always(undefined)
    },
    async deliverLate() {
      const copies = [...onTheWay]
      for (const [, cancel] of copies) cancel()
      await Promise.all(copies.map(([deliver]) => deliver()))
    },
    async deliverHeld() {
      const copies = held.splice(0)
      await Promise.all(copies.map((send) => send().catch(() => {})))
      return copies.length
    },
    async stop() {
      for (const cancel of onTheWay.values()) cancel()
      server.closeAllConnections()
      server.close()
    },
  }
}

const BROKEN: Reply = { status: 200, text: '', broken: true }

function cut({ status, text }: Reply): Reply {
  return { status, text: text.slice(0, text.length / 2), broken: true }
}

function finish(response: ServerResponse, { status, text, broken = false }: Reply): void {
  if (broken && text === '') return void response.destroy()
  // With the length of the whole, so that the client can tell.
  response.writeHead(status, { 'content-length': Buffer.byteLength(text) + (broken ? 1 : 0) })
  if (!broken) return void response.end(text)
  response.write(text, () => response.destroy())
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const BAD_ANSWERS: readonly (readonly [number, string])[] = [
  [500, '{"error":"Internal Server Error"}'],
  [502, '<html><body>Bad Gateway</body></html>'],
  [503, '{"error":"ERR redis is not available: reconnecting"}'],
  [429, '{"error":"Too Many Requests"}'],
  [504, ''],
]

function badAnswer(random: () => number): Reply {
  const [status, text] = BAD_ANSWERS[Math.floor(random() * BAD_ANSWERS.length)] as readonly [number, string]
  return { status, text }
}
