import { type FetchHandler, type Listening, listen } from '../../adapters/runtimes/listen.ts'
import { type InvalidOption, isTqError } from '../../src/errors.ts'

const TRIES = 20

/** Listens on the port asked for, or on the first free one from `fromPort` on. */
export async function listenNear(
  fetch: FetchHandler,
  { port, fromPort }: { port: number | undefined; fromPort: number },
): Promise<Listening> {
  if (port !== undefined) return listen(fetch, { port })
  for (let candidate = fromPort; ; candidate++) {
    try {
      return await listen(fetch, { port: candidate })
    } catch (error) {
      if (!isPortTaken(error) || candidate === fromPort + TRIES) throw error
    }
  }
}

function isPortTaken(error: unknown): boolean {
  return isTqError(error, 'InvalidOption') && (error as InvalidOption).option === 'port'
}
