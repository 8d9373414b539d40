import type { Broker } from '../broker.ts'
import { type Clock, sleep, systemClock } from '../clock.ts'
import { describe, InvalidOption } from '../errors.ts'
import { type OnEvent, withoutThrowing } from '../events.ts'
import { checkSecret } from '../hmac.ts'
import type { Job } from '../job.ts'
import { type KickTarget, sendKick } from '../kick.ts'

export interface KickOptions extends Pick<KickTarget, 'url' | 'secret' | 'fetch'> {
  /** Kicks follow each other no sooner. Default 1,000. */
  readonly intervalMs?: number
  /** Keeps an invocation alive until the kick has been sent. Default: it goes on for as long as the process does. */
  readonly waitUntil?: (work: Promise<void>) => void
  readonly clock?: Clock
  readonly onEvent?: OnEvent | undefined
}

/**
 * A broker that also asks an edge worker to drain, at once, when jobs are enqueued through it: for producers elsewhere, whose
 * jobs would otherwise wait for the worker's next cron trigger.
 *
 * At most one kick per interval, and one more at its end for whoever came meanwhile; none for jobs that are due later. An enqueue
 * neither waits for it nor fails with it: that is told by `kick.failed`. Throws `InvalidOption` for what cannot be an address or
 * is too short a secret.
 *
 * @example
 * ```ts
 * import { sqliteBroker } from 'tq-edge/brokers/sqlite'
 * import { createClient, withKick } from 'tq-edge/client'
 *
 * const broker = withKick(sqliteBroker({ path: ':memory:' }), {
 *   url: 'https://app.example/v1/drain',
 *   secret: 'a-long-random-secret',
 *   intervalMs: 10,
 *   fetch: async ({ method, url }) => {
 *     console.log(method, url) // POST https://app.example/v1/drain
 *     return new Response('', { status: 202 })
 *   },
 * })
 * await createClient({ broker }).enqueue('tidy')
 * ```
 */
export function withKick(broker: Broker, options: KickOptions): Broker {
  const { url, intervalMs = 1_000, waitUntil = () => {}, clock = systemClock, fetch } = options
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new InvalidOption('url', 'an address (https://...)', describe(url))
  if (!(intervalMs >= 0)) throw new InvalidOption('intervalMs', 'milliseconds, 0 or more', String(intervalMs))
  const secret = checkSecret('secret', options.secret)
  const target: KickTarget = { url, secret, fetch, clock, onEvent: withoutThrowing(options.onEvent) }
  let state: 'idle' | 'kicking' | 'again' = 'idle'

  async function kick(): Promise<void> {
    do {
      state = 'kicking'
      await sendKick(target)
      await sleep(clock, intervalMs)
    } while (isAskedAgain())
    state = 'idle'
  }

  function isAskedAgain(): boolean {
    return state === 'again'
  }

  function kickFor(jobs: readonly Job[]): void {
    if (!jobs.some(({ delayMs = 0, dueAtMs = 0 }) => delayMs === 0 && dueAtMs <= clock.now())) return
    if (state === 'idle') waitUntil(kick())
    else state = 'again'
  }

  return {
    ...broker,
    async enqueue(jobs, given) {
      const outcomes = await broker.enqueue(jobs, given)
      // One that was there already may have come with a call whose reply was lost.
      kickFor(jobs.filter((_, at) => outcomes[at] === 'created' || outcomes[at] === 'existing'))
      return outcomes
    },
    async fire(ticks) {
      const outcomes = await broker.fire(ticks)
      kickFor(ticks.flatMap(({ job }, at) => (job && outcomes[at] === 'fired' ? [job] : [])))
      return outcomes
    },
  }
}
