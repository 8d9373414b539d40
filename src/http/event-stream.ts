import type { Clock } from '../clock.ts'

/** Proxies and platforms give up a line on which nothing is sent. */
const HEARTBEAT_MS = 15_000
/** How soon a client whose stream has ended comes again. */
const RETRY_MS = 1_000

export interface StreamedEvent {
  /** What the client sends as `Last-Event-ID` when it comes again. */
  readonly id?: string
  readonly event: string
  readonly data: unknown
}

/**
 * Answers with server-sent events, for as long as `run` takes or until the client is gone, which `gone` says. A look that fails, of which
 * the broker's events have told, ends the stream: the client comes again, and is answered then.
 */
export function streamEvents(
  clock: Clock,
  run: (send: (event: StreamedEvent) => void, gone: AbortSignal) => Promise<void>,
): Response {
  const gone = new AbortController()
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const write = (text: string) => {
        if (!gone.signal.aborted) controller.enqueue(encoder.encode(text))
      }
      let cancelBeat = () => {}
      const beat = () => {
        // Whoever does not read is sent no more of them.
        if ((controller.desiredSize ?? 0) > 0) write(':\n\n')
        cancelBeat = clock.after(HEARTBEAT_MS, beat)
      }
      gone.signal.addEventListener('abort', () => cancelBeat())
      cancelBeat = clock.after(HEARTBEAT_MS, beat)
      write(`retry: ${RETRY_MS}\n\n`)
      void run((event) => write(toText(event)), gone.signal)
        .catch(() => {})
        .then(() => {
          cancelBeat()
          if (!gone.signal.aborted) controller.close()
        })
    },
    cancel: () => gone.abort(),
  })
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' } })
}

function toText({ id, event, data }: StreamedEvent): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
