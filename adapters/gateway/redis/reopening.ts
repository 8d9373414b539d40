import { EventEmitter } from 'node:events'
import { ClientOfflineError } from '@redis/client'
import { type OpenClientOptions, reconnectMs } from './client.ts'

/** One way to Redis, which is of no use any more once it is lost. */
export interface Way {
  readonly isReady: boolean
  close(): Promise<unknown>
  destroy(): void
}

export interface Reopening<T extends Way> {
  readonly events: EventEmitter
  /** Throws while there is none. */
  current(): T
  readonly isReady: boolean
  connect(): Promise<void>
  /** That one is of no use any more: another one is found. */
  lose(way: T, error: unknown): void
  close(): Promise<void>
  destroy(): void
}

export type Emit = (event: 'ready' | 'error', error?: unknown) => void

/** A server that has been found and takes longer does not answer at all. */
const FIND_MS = 5_000

/**
 * Keeps a way to Redis: when it is lost, another one is found, for ever once there has been one.
 *
 * `find` rejects where there is none at present, and destroys what it has opened by then.
 */
export function createReopening<T extends Way>(
  find: (emit: Emit) => Promise<T>,
  { clock, hasBeenReady }: OpenClientOptions,
): Reopening<T> {
  const events = new EventEmitter()
  // Without a listener an error would end the process.
  events.on('error', () => {})
  let way: T | undefined
  /** Moves whenever what is being looked for is not wanted any more. */
  let epoch = 0
  let cancelRetry = () => {}
  let abandon: (reason: Error) => void = () => {}

  /** Nobody waits longer than that, nor once it is not wanted any more; what is found later is of no use. */
  async function findInTime(): Promise<T> {
    const finding = find((event, error) => events.emit(event, error))
    const abandoned = new Promise<never>((_, reject) => {
      abandon = reject
    })
    const cancel = clock.after(FIND_MS, () => abandon(new Error(`no answer within ${FIND_MS} ms`)))
    try {
      return await Promise.race([finding, abandoned])
    } catch (error) {
      finding.then(
        (late) => late.destroy(),
        () => {},
      )
      throw error
    } finally {
      cancel()
    }
  }

  async function connect(retries = 0): Promise<void> {
    const ours = ++epoch
    try {
      way = await findInTime()
      events.emit('ready')
    } catch (error) {
      if (!hasBeenReady()) throw error
      if (ours !== epoch) return
      events.emit('error', error)
      cancelRetry = clock.after(reconnectMs(retries), () => void connect(retries + 1))
    }
  }

  function forget(): T | undefined {
    epoch++
    cancelRetry()
    abandon(new Error('closed'))
    const last = way
    way = undefined
    return last
  }

  return {
    events,
    current() {
      if (!way) throw new ClientOfflineError()
      return way
    },
    get isReady() {
      return way?.isReady ?? false
    },
    connect: () => connect(),
    lose(lost, error) {
      if (lost !== way) return
      forget()
      lost.destroy()
      events.emit('error', error)
      void connect()
    },
    async close() {
      await forget()?.close()
    },
    destroy() {
      forget()?.destroy()
    },
  }
}
