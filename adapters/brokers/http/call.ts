import {
  BrokerRefused,
  BrokerUnavailable,
  describe,
  EventsOff,
  InvalidOption,
  StorageFull,
  TooLarge,
  toError,
} from '../../../src/errors.ts'
import { utf8Bytes } from '../../../src/job.ts'

/** What sends a call: the runtime's `fetch`, or a Hono app's `request`. */
export type Fetch = (url: string, init: RequestInit) => Response | Promise<Response>

export interface CallOptions {
  readonly url: string
  readonly token?: string | undefined
  readonly callTimeoutMs?: number
  readonly fetch?: Fetch
}

type Answer = Readonly<Record<string, unknown>>

/**
 * Posts one body and answers the other: once, since resending is the caller's, who knows its deadline. `toOwn` makes an error of a
 * problem's facts where the call has one of its own.
 */
export type Call = (path: string, body: unknown, toOwn?: (problem: Answer) => Error | undefined) => Promise<Answer>

const TOKEN = /^[\x21-\x7e]+$/

export function createCall({ url, token, callTimeoutMs = 30_000, fetch = globalThis.fetch }: CallOptions): Call {
  const base = toBase(url)
  if (token !== undefined && !TOKEN.test(token))
    throw new InvalidOption('token', 'printable ASCII without spaces', describe(token))
  const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }

  return async (path, body, toOwn = () => undefined) => {
    const sent = JSON.stringify(body)
    const { status, text } = await send(`${base}/v1/${path}`, sent)
    const answer = toAnswer(text)
    if (status === 413) throw tooLarge(answer, utf8Bytes(sent))
    if (status >= 300) throw toOwn(answer ?? {}) ?? toTypedError(status, answer ?? {})
    if (!answer) throw notOurs()
    return answer
  }

  async function send(address: string, body: string): Promise<{ readonly status: number; readonly text: string }> {
    const signal = AbortSignal.timeout(callTimeoutMs)
    try {
      // A redirect would turn the call into a GET, or take the token elsewhere.
      const response = await fetch(address, { method: 'POST', headers, body, signal, redirect: 'manual' })
      return { status: response.status, text: await response.text() }
    } catch (thrown) {
      const { name } = toError(thrown)
      throw new BrokerUnavailable('http', name === 'TimeoutError' ? 'none in time' : `no connection (${name})`)
    }
  }
}

/** Something answered that is no tq: a login page, another service, a broken proxy. */
export function notOurs(): BrokerUnavailable {
  return new BrokerUnavailable('http', 'an answer of another form')
}

function toBase(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password || parsed.search)
    throw new InvalidOption('url', 'the address of a tq server, such as https://tq.example', describe(url))
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
}

function toAnswer(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Answer) : undefined
  } catch {
    // A proxy's page: its status says enough.
    return undefined
  }
}

function toTypedError(status: number, { type, title, detail }: Answer): Error {
  const kind = String(type).replace('urn:tq:problem:', '')
  if (kind === 'storage-full') return new StorageFull("the server's broker")
  if (kind === 'events-off') return new EventsOff()
  if (kind === 'invalid-request') return invalid(String(detail))
  // Words that are not tq's are not repeated: nobody knows what stands in them.
  const said = String(type).startsWith('urn:tq:') ? `${status}: ${title}` : String(status)
  if (status >= 500 || status === 429 || status === 408) return new BrokerUnavailable('http', said)
  const [, scope] = (kind === 'forbidden' && /the scope "([^"]+)"/.exec(String(detail))) || []
  return new BrokerRefused('http', said, adviceFor(status, scope))
}

/** In the words of what the server has found, as if it had been found here. */
function invalid(detail: string): InvalidOption {
  const [, option = 'a call to the server', expected = 'one that it takes', got = 'another'] =
    /^(?:([^ ]+): )?expected (?:.+ to be )?(.+), got (.+)$/s.exec(detail) ?? []
  return new InvalidOption(option, expected, got)
}

function tooLarge(answer: Answer | undefined, bytes: number): TooLarge {
  const [, max = bytes - 1] = /at most (\d+) bytes/.exec(String(answer?.detail)) ?? []
  return new TooLarge('a call to the tq server', Number(max), bytes)
}

function adviceFor(status: number, scope?: string): string {
  if (scope) return `have TQ_BROKER_TOKEN be a token with the scope "${scope}"`
  if (status === 401 || status === 403) return 'check TQ_BROKER_TOKEN, and what the token may do'
  if (status < 400) return 'use the address that it redirects to'
  if (status === 404)
    return 'check its address, and for other calls than those of a worker that it serves them (tq serve --broker-routes)'
  return 'have the same version of tq-edge on both sides'
}
