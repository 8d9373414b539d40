/** How long calls may follow one another before timers, sockets and signals get a turn. */
const MAX_HOLD_MS = 8

/**
 * Gives the event loop a turn now and then.
 *
 * SQLite answers synchronously, so a worker with short jobs would go from call to call in microtasks alone and never let a
 * timer, a request or a signal in. Real time on purpose, also under a virtual clock: it is the real loop that starves.
 */
export function createTurns(): () => Promise<void> | undefined {
  let lastTurnMs = performance.now()
  return () => {
    if (performance.now() - lastTurnMs < MAX_HOLD_MS) return undefined
    return new Promise((resolve) => {
      setImmediate(() => {
        lastTurnMs = performance.now()
        resolve()
      })
    })
  }
}
