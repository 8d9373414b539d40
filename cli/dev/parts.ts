import { createBeat, createSchedules } from '../../scheduler/index.ts'
import type { Broker } from '../../src/broker.ts'
import type { OnEvent } from '../../src/events.ts'
import { type Api, createApi } from '../../src/http/index.ts'
import { openApi } from '../../src/http/openapi/index.ts'
import { createWorker, type Worker } from '../../src/worker/worker.ts'
import { given } from '../args.ts'
import type { LoadedApp } from '../config.ts'
import { callbacks, outbound } from '../outbound.ts'
import { runtimeName } from '../runtime.ts'

export interface PartsOptions {
  readonly broker: Broker
  readonly onEvent: OnEvent
  readonly queues: readonly string[] | undefined
  readonly concurrency: number | undefined
}

/** One version of the app at work: what answers requests, runs jobs and fires schedules with its code. */
export interface Parts {
  fetch(request: Request): Response | Promise<Response>
  readonly worker: Worker
  /** Ends the beat; no two versions fire at once. */
  stopBeat(): Promise<void>
  /** Resolves once worker and beat have ended; rejects when their broker cannot be used any more. */
  readonly ended: Promise<unknown>
}

/** What answers requests. Apart from the rest, so that an app that cannot be served is known before the one before it ends. */
export function createDevApi({ app }: LoadedApp, { broker, onEvent }: PartsOptions): Api {
  const webhooks = app.webhooks?.(process.env)
  const schedules = createSchedules({ app, broker, onEvent })
  const openapi = openApi()
  return createApi({ app, broker, tokens: 'none', schedules, webhooks, openapi, onEvent })
}

export function startParts({ app, stampMs }: LoadedApp, api: Api, options: PartsOptions): Parts {
  const { broker, onEvent, queues = queuesOf({ app }), concurrency } = options
  const own = { app, broker, onEvent }
  const self = { ...own, name: 'dev', runtime: runtimeName() }
  const worker = createWorker({ ...self, queues, callbacks: callbacks(), ...given({ concurrency }) })
  const beat = createBeat({ ...self, stampMs, ...outbound() })
  const beaten = beat.run()
  return {
    fetch: (request) => api.fetch(request),
    worker,
    async stopBeat() {
      beat.stop()
      await beaten
    },
    ended: Promise.all([worker.run(), beaten]),
  }
}

/** The default queue, and those that the app's schedules name. */
function queuesOf({ app }: Pick<LoadedApp, 'app'>): string[] {
  return [...new Set(['default', ...app.schedules.map(({ queue }) => queue)])]
}
