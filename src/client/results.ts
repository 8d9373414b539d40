import { type Broker, MAX_BATCH_JOBS } from '../broker.ts'
import { toError } from '../errors.ts'
import type { JobRecord } from '../job.ts'
import { type ResendOptions, resend } from '../resend.ts'
import { isFinished } from '../words.ts'

/** With hints, how often to look all the same: a hint may be lost. */
const PROBE_MS = 5_000
/** Without hints, the pauses between looks grow from the first to the second. */
const POLL_FIRST_MS = 25
const POLL_LAST_MS = 1_000

interface Waiting {
  readonly id: string
  readonly done: (record: JobRecord | null) => void
  readonly onLook: ((record: JobRecord) => void) | undefined
  readonly failed: (error: unknown) => void
}

/** At everybody, or at whoever is new. */
type Look = 'all' | 'new'

export interface Results {
  /**
   * Resolves with the job once it has finished or is not known, or as it is then when `timeoutMs` is over. Until then `onLook` is told
   * what each look finds.
   */
  wait(
    id: string,
    timeoutMs: number,
    signal?: AbortSignal,
    onLook?: (record: JobRecord) => void,
  ): Promise<JobRecord | null>
}

/**
 * Waits for results, for a whole client at once: however many jobs are waited for, one read looks at all of them, and the
 * broker's hint says when to look.
 */
export function createResults(broker: Broker, newWaiter: () => string, options: Omit<ResendOptions, 'call'>): Results {
  const { clock, onEvent } = options
  const waiting = new Set<Waiting>()
  /** Those of them that no look has been at yet. */
  const fresh = new Set<Waiting>()
  let pollMs = POLL_FIRST_MS
  let cancelTimer: (() => void) | undefined
  /** Made when somebody waits: some runtimes give no randomness while a module is loaded. */
  let waiter = ''
  let unlisten: (() => void) | undefined
  let deaf = false
  let looking = false
  let lookAgain: Look | null = null

  function lookSoon(delayMs: number): void {
    cancelTimer?.()
    cancelTimer = clock.after(delayMs, () => void look('all'))
  }

  async function listen(): Promise<void> {
    if (unlisten || deaf || !broker.wake) return
    waiter ||= newWaiter()
    try {
      unlisten = await broker.wake.listen(waiter, () => void look('all'))
    } catch (error) {
      // Without hints it polls, for as long as somebody waits.
      deaf = true
      onEvent?.({ kind: 'broker.failed', call: 'listen', reason: toError(error).message })
    }
  }

  /** One look at a time; what is asked for meanwhile is one further look. Whoever is new has nobody else looked at again. */
  async function look(at: Look): Promise<void> {
    if (looking) {
      lookAgain = lookAgain === 'all' ? 'all' : at
      return
    }
    looking = true
    let isWhole = false
    try {
      await listen()
      for (let next: Look | null = at; next; next = lookAgain) {
        lookAgain = null
        // Without hints it polls, from the first pause on for whoever is new.
        const whole = next === 'all' || !unlisten
        isWhole ||= whole
        await lookOnce([...(whole ? waiting : fresh)])
      }
    } catch (error) {
      for (const entry of waiting) entry.failed(error)
      waiting.clear()
      isWhole = true
    }
    looking = false
    rest(isWhole)
  }

  async function lookOnce(entries: readonly Waiting[]): Promise<void> {
    for (const entry of entries) fresh.delete(entry)
    for (let from = 0; from < entries.length; from += MAX_BATCH_JOBS) {
      const some = entries.slice(from, from + MAX_BATCH_JOBS)
      const ids = some.map(({ id }) => id)
      const hints = unlisten ? { waiter, waitMs: 4 * PROBE_MS } : {}
      const records = await resend(() => broker.get(ids, hints), { call: 'get', ...options })
      for (const [at, entry] of some.entries()) settle(entry, records[at] ?? null)
    }
  }

  function settle(entry: Waiting, record: JobRecord | null): void {
    if (record && !isFinished(record.state)) {
      entry.onLook?.(record)
      return
    }
    waiting.delete(entry)
    entry.done(record)
  }

  /** Sleeps until the next look at all, or lets go of the hints when nobody waits any more. */
  function rest(isWhole: boolean): void {
    if (waiting.size === 0) {
      cancelTimer?.()
      cancelTimer = undefined
      unlisten?.()
      unlisten = undefined
      deaf = false
      return
    }
    // However many come, the look at all is not put off by them.
    if (cancelTimer && !isWhole) return
    lookSoon(unlisten ? PROBE_MS : pollMs)
    pollMs = Math.min(POLL_LAST_MS, pollMs * 2)
  }

  return {
    wait(id, timeoutMs, signal, onLook) {
      if (timeoutMs <= 0 || signal?.aborted) return broker.get([id]).then(([record]) => record ?? null)
      return new Promise((resolve, reject) => {
        const finish = () => {
          cancelTimeout()
          signal?.removeEventListener('abort', giveUp)
          waiting.delete(entry)
          fresh.delete(entry)
        }
        const entry: Waiting = {
          id,
          onLook,
          done: (record) => {
            finish()
            resolve(record)
          },
          failed: (error) => {
            finish()
            reject(error)
          },
        }
        const giveUp = () => {
          finish()
          // Nothing of ours may keep a process alive that waits no more.
          if (waiting.size === 0 && !looking) rest(true)
          broker.get([id]).then(([record]) => resolve(record ?? null), reject)
        }
        const cancelTimeout = clock.after(timeoutMs, giveUp)
        signal?.addEventListener('abort', giveUp, { once: true })
        waiting.add(entry)
        fresh.add(entry)
        pollMs = POLL_FIRST_MS
        queueMicrotask(() => void look('new'))
      })
    },
  }
}
