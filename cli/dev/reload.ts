import { toError } from '../../src/errors.ts'
import type { TqEvent } from '../../src/events.ts'
import type { Api } from '../../src/http/index.ts'
import type { LoadedApp } from '../config.ts'
import { createDevApi, type Parts, type PartsOptions, startParts } from './parts.ts'

export interface DevApp {
  fetch(request: Request): Response | Promise<Response>
  /** Loads the app anew and lets it take over. One reload at a time; saves meanwhile are one further reload. */
  reload(changedAtMs: number): void
  /** Rejects when the broker cannot be used any more. */
  readonly failed: Promise<never>
  /** Lets running jobs finish for so long, those on old code as well, and closes the broker. Call it again to shorten that. */
  stop(options: { graceMs: number }): Promise<void>
}

export interface DevAppOptions extends PartsOptions {
  readonly load: () => Promise<LoadedApp>
  /** `finishing`: how many jobs go on with the code before it. */
  readonly onReloaded: (loaded: LoadedApp, finishing: number) => void
  /** The save does not load: the code before it goes on. */
  readonly onBroken: (error: Error) => void
}

/** Of interest at the start and at the end, not at every save. */
const LIFECYCLE: ReadonlySet<TqEvent['kind']> = new Set([
  'worker.started',
  'worker.stopping',
  'worker.stopped',
  'beat.started',
  'beat.stopped',
])

/** Runs an app and swaps it for a newer version while jobs of the old one finish on the code that they started with. */
export function createDevApp(first: LoadedApp, options: DevAppOptions): DevApp {
  const { load, onReloaded, onBroken } = options
  const running = new Set<Parts>()
  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  let closed: Promise<void> | undefined
  let showLifecycle = true
  let stopping = false
  let reloading = false
  let pendingMs: number | undefined
  let finishing = 0
  let stampMs = first.stampMs
  let current = start(first, apiOf(first))

  function onEvent(event: TqEvent): void {
    if (event.kind === 'worker.stopping') finishing = event.running
    if (showLifecycle || !LIFECYCLE.has(event.kind)) options.onEvent(event)
  }

  function apiOf(loaded: LoadedApp): Api {
    return createDevApi(loaded, { ...options, onEvent })
  }

  function start(loaded: LoadedApp, api: Api): Parts {
    const parts = startParts({ ...loaded, stampMs }, api, { ...options, onEvent })
    running.add(parts)
    parts.ended.then(() => running.delete(parts), fail)
    return parts
  }

  async function swap(changedAtMs: number): Promise<void> {
    const loaded = await load()
    const api = apiOf(loaded)
    // Of all sources, not of the app's file alone: its schedules may live in another, and an older stamp changes nothing.
    stampMs = Math.max(stampMs, Math.round(changedAtMs), loaded.stampMs)
    showLifecycle = stopping
    const old = current
    await old.stopBeat()
    if (stopping) return
    current = start(loaded, api)
    old.worker.stop({ graceMs: Number.POSITIVE_INFINITY })
    onReloaded(loaded, finishing)
  }

  async function reloadUntilCurrent(): Promise<void> {
    reloading = true
    while (pendingMs !== undefined && !stopping) {
      const changedAtMs = pendingMs
      pendingMs = undefined
      await swap(changedAtMs).catch((error: unknown) => onBroken(toError(error)))
    }
    reloading = false
  }

  return {
    fetch: (request) => current.fetch(request),
    failed,
    reload(changedAtMs) {
      pendingMs = Math.max(pendingMs ?? 0, changedAtMs)
      if (!reloading) void reloadUntilCurrent()
    },
    async stop(grace) {
      stopping = true
      showLifecycle = true
      for (const { worker } of running) worker.stop(grace)
      await Promise.all([...running].flatMap((parts) => [parts.stopBeat(), parts.ended]))
      closed ??= options.broker.close()
      await closed
    },
  }
}
