import type { Clock } from '../../../src/clock.ts'
import { BrokerUnavailable } from '../../../src/errors.ts'

/** One open stream of server-sent events, confirmed by the server. */
export interface Stream {
  /** Resolves when it has ended, however it did. */
  readonly ended: Promise<void>
  close(): void
}

export interface StreamOptions {
  readonly url: string
  readonly token: string
  readonly channel: string
  readonly clock: Clock
  /** What the streams of this server have shown so far: a new one may stall before it could show it. */
  readonly heartbeat: Heartbeat
  readonly onMessage: (message: string) => void
  /** The server has confirmed once more: it was away meanwhile, and messages may be missing. */
  readonly onMissed: () => void
}

/** How often the server sends comments (`: ping`), once that is known. */
export interface Heartbeat {
  everyMs?: number
}

const CONFIRM_MS = 5_000
/** A server that sends comments every so often, and then nothing for so many times as long, is gone. */
const SILENT_BEATS = 2.5

/**
 * Opens the stream and resolves once the server has confirmed the subscription.
 *
 * Throws `BrokerUnavailable` when there is none in time.
 */
export async function openStream({
  url,
  token,
  channel,
  clock,
  heartbeat,
  onMessage,
  onMissed,
}: StreamOptions): Promise<Stream> {
  const abort = new AbortController()
  const close = () => abort.abort()
  const cancelTimeout = clock.after(CONFIRM_MS, close)
  try {
    const response = await fetch(`${url}/subscribe/${encodeURIComponent(channel)}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      signal: abort.signal,
    })
    if (!response.ok || !response.body)
      throw new BrokerUnavailable('redis', `status ${response.status} for a stream of events`)
    const { promise: confirmed, resolve: confirm } = createSignal()
    let isConfirmed = false
    const onData = (data: string) => {
      if (data.startsWith('message,')) return onMessage(afterCommas(data, 2))
      if (!data.startsWith('subscribe,')) return
      if (isConfirmed) onMissed()
      isConfirmed = true
      confirm()
    }
    const ended = readEvents(response.body, abort.signal, { onData, ...createPulse(clock, heartbeat, close) })
    const early = ended.then(() => Promise.reject(new BrokerUnavailable('redis', 'a stream that ended')))
    await Promise.race([confirmed, early])
    return { ended, close }
  } catch (error) {
    close()
    throw error instanceof BrokerUnavailable ? error : new BrokerUnavailable('redis', 'no stream of events')
  } finally {
    cancelTimeout()
  }
}

interface Pulse {
  onComment(): void
  onBytes(): void
  onEnd(): void
}

/**
 * Notices a stream that has died without a word. Only two comments of one stream say how often they come; before that, and
 * from a server that sends none, silence means nothing.
 */
function createPulse(clock: Clock, heartbeat: Heartbeat, onSilent: () => void): Pulse {
  let lastCommentMs: number | undefined
  let longestMs = 0
  let cancel: (() => void) | undefined
  return {
    onComment() {
      const nowMs = clock.monotonic()
      // The longest pause so far: a proxy may hand over two comments at once.
      if (lastCommentMs !== undefined) heartbeat.everyMs = longestMs = Math.max(longestMs, nowMs - lastCommentMs)
      lastCommentMs = nowMs
    },
    onBytes() {
      cancel?.()
      if (heartbeat.everyMs) cancel = clock.after(SILENT_BEATS * heartbeat.everyMs, onSilent)
    },
    onEnd: () => cancel?.(),
  }
}

/** Calls back for each `data:` line and each comment; resolves when the stream ends, however it does. */
async function readEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  { onData, onComment, onBytes, onEnd }: Pulse & { onData(data: string): void },
): Promise<void> {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  // Deno at times keeps a stream open whose request was aborted, and a process that has nothing else to do with it.
  signal.addEventListener('abort', () => void reader.cancel().catch(() => {}), { once: true })
  let rest = ''
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      const lines = (rest + decoder.decode(chunk.value, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('data: ')) onData(line.slice(6).trimEnd())
        else if (line.startsWith(':')) onComment()
      }
      onBytes()
    }
  } catch {
    // A stream that breaks has ended; whoever reads it opens the next one.
  }
  onEnd()
}

function createSignal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function afterCommas(text: string, commas: number): string {
  let at = 0
  for (let count = 0; count < commas; count++) at = text.indexOf(',', at) + 1
  return text.slice(at)
}
