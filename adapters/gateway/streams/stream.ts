import type { Clock } from '../../../src/clock.ts'

/** One client's stream of server-sent events. */
export interface Stream {
  readonly body: ReadableStream<Uint8Array>
  readonly isOpen: boolean
  send(frame: Uint8Array): void
  end(): void
}

export interface StreamOptions {
  /** Called once, whoever ended it. */
  readonly onEnd: () => void
  /** The client reads too slowly; the stream ends. */
  readonly onDropped: () => void
}

/** As Redis does with a subscriber that does not read: beyond this much it is cut off. */
const MAX_WAITING_BYTES = 1_048_576
const encoder = new TextEncoder()

export function createStream({ onEnd, onDropped }: StreamOptions): Stream {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>(
    {
      start(started) {
        controller = started
      },
      cancel: finish,
    },
    { highWaterMark: MAX_WAITING_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
  )

  function finish(): void {
    if (!controller) return
    controller = undefined
    onEnd()
  }

  function end(): void {
    const open = controller
    finish()
    open?.close()
  }

  return {
    body,
    get isOpen() {
      return controller !== undefined
    },
    send(frame) {
      controller?.enqueue(frame)
      // On Deno its reader may leave within that.
      if (!controller || (controller.desiredSize ?? 0) > 0) return
      onDropped()
      end()
    },
    end,
  }
}

/** Text as an event. Every line of it gets its `data:`, so that no payload can pass for an event of its own. */
export function toFrame(text: string): Uint8Array {
  return encoder.encode(`data: ${text.replace(/\r\n|\r|\n/g, '\ndata: ')}\n\n`)
}

const PING = encoder.encode(': ping\n\n')

export interface Heartbeat {
  start(): void
  stop(): void
}

/** Calls `ping` with a comment every so often between `start` and `stop`; a comment is nothing to a client, and keeps proxies from closing. */
export function createHeartbeat(clock: Clock, everyMs: number, ping: (frame: Uint8Array) => void): Heartbeat {
  let cancel: (() => void) | undefined
  function beat(): void {
    cancel = clock.after(everyMs, beat)
    ping(PING)
  }
  return {
    start() {
      cancel ??= clock.after(everyMs, beat)
    },
    stop() {
      cancel?.()
      cancel = undefined
    },
  }
}
