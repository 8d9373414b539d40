import { FORCED } from './exit.ts'

/** SIGINT (Ctrl-C) and SIGTERM: the first one asks to finish, the second one to go at once. */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
/** npm passes on a Ctrl-C that the terminal has sent to us as well, and `timeout` ends us and then its group: one wish, twice. */
const ECHO_MS = 200

export interface SignalHandlers {
  readonly first: () => void
  readonly second?: () => void
}

/** Calls the handlers until what it returns is called. The same signal at once after the first is its echo, and none. */
export function onSignals({ first, second }: SignalHandlers, monotonic = () => performance.now()): () => void {
  let asked: { readonly signal: string; readonly atMs: number } | undefined
  const handle = (signal: string) => {
    const atMs = monotonic()
    if (!asked) {
      asked = { signal, atMs }
      first()
    } else if (signal !== asked.signal || atMs - asked.atMs >= ECHO_MS) second?.()
  }
  for (const signal of SIGNALS) process.on(signal, handle)
  return () => {
    for (const signal of SIGNALS) process.off(signal, handle)
  }
}

/** Resolves at the first signal. A second one ends the process there and then. */
export function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const ignore = onSignals({
      first: () => {
        resolve()
      },
      second: () => {
        ignore()
        process.exit(FORCED)
      },
    })
  })
}

/** SIGHUP: what was read at the start is to be read again. Calls `run` at each, until what it returns is called. */
export function onHangup(run: () => void): () => void {
  process.on('SIGHUP', run)
  return () => {
    process.off('SIGHUP', run)
  }
}
