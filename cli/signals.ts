import { FORCED } from './exit.ts'

/** SIGINT (Ctrl-C) and SIGTERM: the first one asks to finish, the second one to go at once. */

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
/** npm passes on a Ctrl-C that the terminal has sent to us as well: the same wish, twice. */
const ECHO_MS = 200

export interface SignalHandlers {
  readonly first: () => void
  readonly second?: () => void
}

/** Calls the handlers until what it returns is called. */
export function onSignals({ first, second }: SignalHandlers): () => void {
  let firstAtMs: number | undefined
  const handle = (signal: string) => {
    const nowMs = performance.now()
    if (firstAtMs === undefined) {
      firstAtMs = nowMs
      first()
    } else if (!(signal === 'SIGINT' && process.env.npm_lifecycle_event && nowMs - firstAtMs < ECHO_MS)) second?.()
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
