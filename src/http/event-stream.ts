import type { Clock } from '../clock.ts'
import { refusal } from './problem.ts'

/** Proxies and platforms give up a line on which nothing is sent. */
export const HEARTBEAT_MS = 15_000
/** How soon a client whose stream has ended comes again. */
const RETRY_MS = 1_000
/** After that a client is let go, and comes again: some platforms and proxies end it then without a word. */
export const MAX_STREAM_MS = 300_000
/** What waits for a client that does not read, at most: then it is let go. */
const MAX_BEHIND_BYTES = 524_288

export interface StreamedEvent {
  /** What the client sends as `Last-Event-ID` when it comes again. */
  readonly id?: string
  readonly event: string
  readonly data: unknown
}

/** Sends events as text. Resolves once the client has taken what was sent so far, or is gone. */
export type Send = (text: string) => Promise<void>

export interface Streams {
  /** Answers with what `run` sends. Throws `RefusedRequest` where there are as many streams as may be. */
  open(run: (send: Send, gone: AbortSignal) => Promise<void>): Response
}

/** Counts the streams of an API. */
export function createStreams(clock: Clock, maxStreams: number): Streams {
  let streams = 0
  return {
    open(run) {
      if (streams >= maxStreams) throw tooMany(maxStreams)
      streams++
      return streamEvents(clock, (send, gone) => run(send, gone).finally(() => streams--))
    },
  }
}

function tooMany(maxStreams: number) {
  const expected = `expected fewer than ${maxStreams} streams to be open, got as many: wait for the result instead`
  return refusal('too-many-streams', expected, { headers: { 'Retry-After': '10' } })
}

/**
 * Answers with server-sent events, for as long as `run` takes or until the client is gone, which `gone` says. A look that fails, of which
 * the broker's events have told, ends the stream: the client comes again, and is answered then.
 */
function streamEvents(clock: Clock, run: (send: Send, gone: AbortSignal) => Promise<void>): Response {
  const gone = new AbortController()
  const encoder = new TextEncoder()
  let behindBytes = 0
  let taken: (() => void)[] = []
  const take = () => {
    behindBytes = 0
    for (const resolve of taken) resolve()
    taken = []
  }
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const end = () => {
        if (gone.signal.aborted) return
        gone.abort()
        controller.close()
      }
      const write = (text: string) => {
        if (gone.signal.aborted) return
        const bytes = encoder.encode(text)
        behindBytes += bytes.byteLength
        controller.enqueue(bytes)
        if (behindBytes > MAX_BEHIND_BYTES) end()
      }
      let cancelBeat = () => {}
      const beat = () => {
        // Whoever does not read is sent no more of them.
        if ((controller.desiredSize ?? 0) > 0) write(':\n\n')
        cancelBeat = clock.after(HEARTBEAT_MS, beat)
      }
      gone.signal.addEventListener('abort', () => {
        cancelBeat()
        take()
      })
      cancelBeat = clock.after(HEARTBEAT_MS, beat)
      write(`retry: ${RETRY_MS}\n\n`)
      const send = (text: string) => {
        write(text)
        return behindBytes === 0 || gone.signal.aborted
          ? Promise.resolve()
          : new Promise<void>((resolve) => taken.push(resolve))
      }
      void run(send, gone.signal)
        .catch(() => {})
        .then(end)
    },
    pull: take,
    cancel: () => gone.abort(),
  })
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' } })
}

export function toText({ id, event, data }: StreamedEvent): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
