import { dirname } from 'node:path'
import { openBroker } from '../broker.ts'
import { loadApp } from '../config.ts'
import { FORCED, OK } from '../exit.ts'
import { createFreshImport } from '../import-file.ts'
import { createLog } from '../log.ts'
import { byOwnName } from '../loopback.ts'
import { DEFAULT_PORT } from '../port.ts'
import { onSignals } from '../signals.ts'
import { listenNear } from './listen-near.ts'
import { createDevApp, type DevApp } from './reload.ts'
import { createSay } from './say.ts'
import { watchSources } from './watch.ts'

export interface DevOptions {
  /** The app's file. */
  readonly file: string
  readonly db: string | undefined
  readonly json: boolean
  readonly port: number | undefined
  readonly queues: readonly string[] | undefined
  readonly concurrency: number | undefined
  readonly graceMs: number
}

const STARTING = new Response('starting', { status: 503, headers: { 'Retry-After': '1' } })

/** Runs an app in this process until a signal ends it, and resolves with the exit code. */
export async function runDev(options: DevOptions): Promise<number> {
  const { file, graceMs } = options
  let dev: DevApp | undefined
  let savedMs: number | undefined
  // Both before the app is loaded: its schedules may call this API at the address that it gets here, and a save meanwhile counts.
  const server = await listenNear(
    byOwnName((request) => dev?.fetch(request) ?? STARTING.clone()),
    {
      port: options.port,
      fromPort: DEFAULT_PORT,
    },
  )
  const watcher = watchSources(dirname(file), (changedMs) => {
    savedMs = changedMs
    dev?.reload(changedMs)
  })
  try {
    process.env.TQ_URL ??= server.url
    dev = await startDev(options, server.url)
    if (savedMs !== undefined) dev.reload(savedMs)
    return await untilStopped(dev, graceMs)
  } finally {
    watcher.close()
    await server.close()
  }
}

async function startDev(options: DevOptions, url: string): Promise<DevApp> {
  const { file, db, json, queues, concurrency } = options
  const importFresh = createFreshImport(dirname(file))
  const load = () => loadApp(file, importFresh)
  const first = await load()
  const broker = openBroker({ db, inMemory: true })
  const say = createSay(options, url)
  say.ready(first)
  const onEvent = createLog({ json })
  const hooks = { load, onEvent, onReloaded: say.reloaded, onBroken: say.broken }
  return createDevApp(first, { broker, queues, concurrency, ...hooks })
}

/** A signal lets running jobs finish; a second one returns them at once. */
async function untilStopped(dev: DevApp, graceMs: number): Promise<number> {
  const signalled = new Promise<number>((resolve, reject) => {
    let exitCode = OK
    const stop = (afterMs: number) => void dev.stop({ graceMs: afterMs }).then(() => resolve(exitCode), reject)
    onSignals({
      first: () => stop(graceMs),
      second: () => {
        exitCode = FORCED
        stop(0)
      },
    })
  })
  return Promise.race([signalled, dev.failed])
}
