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
import type { DevRedis } from './redis.ts'
import { createDevApp, type DevApp } from './reload.ts'
import { createSay } from './say.ts'
import { watchSources } from './watch.ts'

export interface DevOptions {
  /** The app's file. */
  readonly file: string
  readonly db: string | undefined
  /** Jobs are kept in a redis-server that is started for them. */
  readonly redis: boolean
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
  let redis: DevRedis | undefined
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
    redis = options.redis ? await startRedis() : undefined
    dev = await startDev(options, server.url, redis)
    if (savedMs !== undefined) dev.reload(savedMs)
    return await Promise.race([untilStopped(dev, graceMs), ...(redis ? [redis.failed] : [])])
  } finally {
    watcher.close()
    await server.close()
    await redis?.stop()
  }
}

/** Loaded for those alone who ask for it. What the environment names is another Redis, maybe that of production: the app gets this one. */
async function startRedis(): Promise<DevRedis> {
  const { startDevRedis } = await import('./redis.ts')
  const redis = await startDevRedis()
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = redis.variables
  Object.assign(process.env, redis.variables)
  if (process.env.KV_REST_API_URL) Object.assign(process.env, { KV_REST_API_URL: url, KV_REST_API_TOKEN: token })
  return redis
}

async function startDev(options: DevOptions, url: string, redis: DevRedis | undefined): Promise<DevApp> {
  const { file, db, json, queues, concurrency } = options
  const importFresh = createFreshImport(dirname(file))
  const load = () => loadApp(file, importFresh)
  const first = await load()
  const broker = openBroker({ db, inMemory: true })
  const say = createSay(options, url)
  say.ready(first)
  if (redis) say.redis(redis.variables)
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
