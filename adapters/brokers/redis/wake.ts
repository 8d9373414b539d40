import { CANCELS, type Wake } from '../../../src/broker.ts'
import type { Clock } from '../../../src/clock.ts'
import { createListeners } from '../listeners.ts'
import { CANCEL_HINT } from './lua.ts'
import { type Heartbeat, openStream, type Stream } from './stream.ts'

/**
 * Hints by server-sent events: one stream per broker, on one channel, whose messages name who is meant.
 *
 * A stream may die without a word, so it is opened anew before idle limits (300 s on Node): the new one is confirmed, everybody
 * looks once, and only then the old one is closed. While there is no stream, everybody is told to look now and then, which is
 * what polling comes to: a server without streams costs latency, never a job.
 */
export interface RedisWake extends Wake {
  /** Whether hints arrive by now. */
  readonly live: boolean
  close(): void
}

export interface WakeOptions {
  readonly url: string
  readonly token: string
  readonly channel: string
  readonly clock: Clock
  readonly random: () => number
  readonly onOpened: () => void
  readonly onHint: (waiter: string) => void
  /** How many workers there are, as far as known. */
  readonly workers: () => number
}

const REOPEN_MS = 240_000
/**
 * Between two tries to open a stream, and two looks of everybody meanwhile: the pauses grow from the first to the second, times the
 * workers that do the same, but no further than a lease usually lasts.
 */
const RETRY_FIRST_MS = 250
const RETRY_LAST_MS = 5_000
const RETRY_MOST_MS = 30_000

export function createWake({ url, token, channel, clock, random, onOpened, onHint, workers }: WakeOptions): RedisWake {
  const listeners = createListeners()
  let stream: Stream | undefined
  let opening: Promise<void> | undefined
  let cancelTimer: (() => void) | undefined
  let retryMs = RETRY_FIRST_MS
  /** Whether there has been a stream, or a try to open one, that somebody may have relied on. */
  let opened = false
  /** Whether the last try to open one has failed: then nobody waits for the next. */
  let failing = false
  const heartbeat: Heartbeat = {}

  function hint(waiter: string): void {
    if (!listeners.has(waiter)) return
    onHint(waiter)
    listeners.hint(waiter)
  }

  function receive(message: string): void {
    for (const word of message.split(' '))
      if (word.startsWith(CANCEL_HINT)) listeners.hint(CANCELS, word.slice(CANCEL_HINT.length))
      else hint(word)
  }

  /** Opens a stream in the place of the one there is; without success nobody is told anything any more. */
  async function open(): Promise<void> {
    const server = { url, token, channel, clock, heartbeat }
    const next = await openStream({ ...server, onMessage: receive, onMissed: listeners.look }).catch(() => null)
    if (next) onOpened()
    failing = next === null
    // They may all have gone meanwhile.
    if (listeners.size === 0) return next?.close()
    const old = stream
    stream = next ?? undefined
    old?.close()
    if (!next) return lost()
    // Whoever registered before this one was confirmed may have been named without anybody to tell it: a look tells, at a fraction
    // of an exchange.
    if (opened) listeners.look()
    opened = true
    retryMs = RETRY_FIRST_MS
    schedule(REOPEN_MS, open)
    void next.ended.then(() => {
      if (stream === next) lost()
    })
  }

  function lost(): void {
    stream = undefined
    opened = true
    if (listeners.size === 0) return
    schedule(retryMs * (0.5 + random() / 2), open)
    retryMs = Math.min(RETRY_LAST_MS * workers(), RETRY_MOST_MS, retryMs * 2)
    listeners.look()
  }

  function schedule(delayMs: number, run: () => Promise<void>): void {
    cancelTimer?.()
    cancelTimer = clock.after(delayMs, () => void run())
  }

  function stop(): void {
    cancelTimer?.()
    stream?.close()
    stream = opening = undefined
    opened = false
    retryMs = RETRY_FIRST_MS
  }

  return {
    get live() {
      return stream !== undefined
    },
    async listen(waiter, onNamed) {
      const remove = listeners.add(waiter, onNamed)
      opening ??= open()
      if (failing) opened = true
      else await opening
      return () => {
        remove()
        if (listeners.size === 0) stop()
      }
    },
    close() {
      listeners.clear()
      stop()
    },
  }
}
