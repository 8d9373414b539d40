/**
 * Follows what becomes of jobs, for a whole process at once: however many follow, one read looks for all of them, and none where nobody
 * does. Whoever comes with an older cursor reads on its own until it has come to where the others are.
 *
 * @module
 */
import { type Broker, EVENTS, type TransitionPage, type TransitionQuery } from './broker.ts'
import { toError } from './errors.ts'
import { type ResendOptions, resend } from './resend.ts'
import { transitionsOf } from './transitions.ts'

/** Between two looks, the pauses grow from the first to the second while nothing happens. */
const POLL_FIRST_MS = 1_000
const POLL_LAST_MS = 5_000
/** Where a look is no round trip; and between two looks that hints bring about. */
const POLL_LOCAL_MS = 250

/** May answer a promise: of who reads on its own, no more is asked for until then. */
export type Tell = (page: TransitionPage) => Promise<void> | void

export interface Following {
  /** Tells of every page until `gone`. Rejects once a look has failed. */
  run(tell: Tell, gone: AbortSignal): Promise<void>
}

export interface TransitionFeed {
  /**
   * Begins after a cursor, or now. Throws `InvalidOption` for what is no cursor, `EventsOff` where the broker keeps no events, and what it
   * throws when it cannot be reached.
   */
  open(after?: string): Promise<Following>
}

interface Follower {
  after: string
  readonly tell: Tell
  readonly failed: (error: unknown) => void
}

export function createTransitionFeed(broker: Broker, options: Omit<ResendOptions, 'call'>): TransitionFeed {
  const { clock, onEvent } = options
  const followers = new Set<Follower>()
  const [firstMs, lastMs] = broker.local ? [POLL_LOCAL_MS, POLL_LOCAL_MS] : [POLL_FIRST_MS, POLL_LAST_MS]
  /** Where the shared looks have come to; undefined while there are none. */
  let cursor: string | undefined
  let pauseMs = firstMs
  let lookedAtMs = 0
  let cancelTimer: (() => void) | undefined
  let looking = false
  let hintedMeanwhile = false
  let listening: Promise<(() => void) | undefined> | undefined

  const read = (query: TransitionQuery) =>
    resend(() => transitionsOf(broker)(query), { call: 'transitions', ...options })

  function lookIn(delayMs: number): void {
    cancelTimer?.()
    cancelTimer = clock.after(delayMs, () => void look())
  }

  async function look(): Promise<void> {
    if (looking) hintedMeanwhile = true
    if (looking || cursor === undefined) return
    looking = true
    hintedMeanwhile = false
    let more = false
    try {
      const page = await read({ after: cursor })
      more = page.more
      cursor = page.cursor
      pauseMs = page.transitions.length > 0 ? firstMs : Math.min(lastMs, pauseMs * 2)
      for (const follower of followers) void hear(follower, page)
    } catch (error) {
      for (const { failed } of [...followers]) failed(error)
    }
    looking = false
    lookedAtMs = clock.monotonic()
    if (followers.size === 0) rest()
    else lookIn(more ? 0 : hintedMeanwhile ? POLL_LOCAL_MS : pauseMs)
  }

  function hear(follower: Follower, page: TransitionPage): Promise<void> | void {
    const { after, tell } = follower
    if (page.gap || page.cursor > after) follower.after = page.cursor
    const transitions = page.gap ? page.transitions : page.transitions.filter((one) => one.cursor > after)
    if (page.gap || transitions.length > 0) return tell({ ...page, transitions })
  }

  /** Hints only hasten a look: not all transitions bring one, and a hint may be lost. */
  function listen(): void {
    const hinted = () => lookIn(Math.max(0, lookedAtMs + POLL_LOCAL_MS - clock.monotonic()))
    listening = broker.wake?.listen(EVENTS, hinted).catch((error: unknown) => {
      onEvent?.({ kind: 'broker.failed', call: 'listen', reason: toError(error).message })
      return undefined
    })
  }

  /** Nobody follows any more. */
  function rest(): void {
    cancelTimer?.()
    void listening?.then((unlisten) => unlisten?.())
    cursor = listening = undefined
  }

  /** Its own reads end where the shared ones are, between which nothing else runs: none is missed, none told twice. */
  async function join(follower: Follower, gone: AbortSignal): Promise<void> {
    for (let before = ''; cursor !== undefined && follower.after < cursor && !gone.aborted; ) {
      // Of another store by now, which the shared looks do not know of yet.
      if (follower.after === before) break
      before = follower.after
      await hear(follower, await read({ after: before }))
    }
    if (gone.aborted) return
    followers.add(follower)
    if (cursor !== undefined) return
    cursor = follower.after
    pauseMs = firstMs
    if (!broker.local) listen()
    lookIn(0)
  }

  return {
    async open(after) {
      const first = await read(after === undefined ? {} : { after })
      return {
        run: (tell, gone) =>
          new Promise((resolve, reject) => {
            const end = () => {
              gone.removeEventListener('abort', left)
              followers.delete(follower)
            }
            const left = () => {
              end()
              if (followers.size === 0 && !looking && cursor !== undefined) rest()
              resolve()
            }
            const failed = (error: unknown) => {
              end()
              reject(toError(error))
            }
            const follower: Follower = { after: first.cursor, tell, failed }
            if (gone.aborted) return resolve()
            gone.addEventListener('abort', left, { once: true })
            Promise.resolve(tell(first))
              .then(() => join(follower, gone))
              .catch(failed)
          }),
      }
    },
  }
}
