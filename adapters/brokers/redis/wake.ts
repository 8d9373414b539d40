import type { Wake } from '../../../src/broker.ts'
import type { Clock } from '../../../src/clock.ts'
import { BrokerUnavailable } from '../../../src/errors.ts'

/**
 * Hints by server-sent events: one stream per broker, on one channel, whose messages name who is meant.
 *
 * A stream may die without a word, so it is opened anew before idle limits (300 s on Node): the new one is confirmed, everybody
 * looks once, and only then the old one is closed. While there is no stream, everybody is told to look now and then.
 */
export interface RedisWake extends Wake {
  close(): void
}

export interface WakeOptions {
  readonly url: string
  readonly token: string
  readonly channel: string
  readonly clock: Clock
  readonly onHint: (waiter: string) => void
}

const REOPEN_MS = 240_000
const CONFIRM_MS = 5_000
const RETRY_FIRST_MS = 250
const RETRY_LAST_MS = 5_000

interface Stream {
  readonly ended: Promise<void>
  close(): void
}

export function createWake({ url, token, channel, clock, onHint }: WakeOptions): RedisWake {
  const hints = new Map<string, () => void>()
  let stream: Stream | undefined
  let opening: Promise<void> | undefined
  let cancelTimer: (() => void) | undefined
  let retryMs = RETRY_FIRST_MS

  function hint(waiter: string): void {
    const listener = hints.get(waiter)
    if (!listener) return
    onHint(waiter)
    listener()
  }

  function receive(message: string): void {
    for (const waiter of message.split(' ')) hint(waiter)
  }

  async function open(): Promise<void> {
    const next = await openStream({ url, token, channel, clock, onMessage: receive })
    const old = stream
    stream = next
    retryMs = RETRY_FIRST_MS
    for (const waiter of [...hints.keys()]) if (old) hint(waiter)
    old?.close()
    schedule(REOPEN_MS, reopen)
    void next.ended.then(() => {
      if (stream === next) lost()
    })
  }

  /** Nobody is told anything any more: look now, and again until there is a stream. */
  function lost(): void {
    stream = undefined
    if (hints.size === 0) return
    for (const waiter of [...hints.keys()]) hint(waiter)
    schedule(retryMs, reopen)
    retryMs = Math.min(RETRY_LAST_MS, retryMs * 2)
  }

  function reopen(): void {
    open().catch(() => {
      stream?.close()
      lost()
    })
  }

  function schedule(delayMs: number, run: () => void): void {
    cancelTimer?.()
    cancelTimer = clock.after(delayMs, run)
  }

  function stop(): void {
    cancelTimer?.()
    stream?.close()
    stream = opening = undefined
  }

  return {
    async listen(waiter, onNamed) {
      hints.set(waiter, onNamed)
      opening ??= open()
      try {
        await opening
      } catch (error) {
        opening = undefined
        hints.delete(waiter)
        throw error
      }
      return () => {
        hints.delete(waiter)
        if (hints.size === 0) stop()
      }
    },
    close: stop,
  }
}

interface StreamOptions extends Omit<WakeOptions, 'onHint'> {
  readonly onMessage: (message: string) => void
}

/** Opens the stream and resolves once the server has confirmed the subscription. */
async function openStream({ url, token, channel, clock, onMessage }: StreamOptions): Promise<Stream> {
  const abort = new AbortController()
  const cancelTimeout = clock.after(CONFIRM_MS, () => abort.abort())
  try {
    const response = await fetch(`${url}/subscribe/${encodeURIComponent(channel)}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      signal: abort.signal,
    })
    if (!response.ok || !response.body)
      throw new BrokerUnavailable('redis', `status ${response.status} for a stream of events`)
    let confirm: () => void = () => {}
    const confirmed = new Promise<void>((resolve) => {
      confirm = resolve
    })
    const ended = readEvents(response.body, (data) =>
      data.startsWith('message,') ? onMessage(afterCommas(data, 2)) : confirm(),
    )
    await Promise.race([
      confirmed,
      ended.then(() => Promise.reject(new BrokerUnavailable('redis', 'a stream that ended'))),
    ])
    return { ended, close: () => abort.abort() }
  } catch (error) {
    abort.abort()
    throw error instanceof BrokerUnavailable ? error : new BrokerUnavailable('redis', 'no stream of events')
  } finally {
    cancelTimeout()
  }
}

/** Calls back for each `data:` line; resolves when the stream ends, however it does. */
async function readEvents(body: ReadableStream<Uint8Array>, onData: (data: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let rest = ''
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      const lines = (rest + decoder.decode(chunk.value, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('data: ')) onData(line.slice(6).trimEnd())
    }
  } catch {
    // A stream that breaks has ended; whoever reads it opens the next one.
  }
}

function afterCommas(text: string, commas: number): string {
  let at = 0
  for (let count = 0; count < commas; count++) at = text.indexOf(',', at) + 1
  return text.slice(at)
}
