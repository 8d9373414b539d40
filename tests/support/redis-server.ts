import { createFolder } from './folder.ts'

export interface TestRedis {
  /** As in `redis://127.0.0.1:34567`. */
  readonly url: string
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

export interface StartRedisOptions {
  /** As on redis-server's command line; they come last, so they win. */
  readonly args?: readonly string[]
  /** Default: any free one. */
  readonly port?: number
}

/** What TQ_REDIS_SERVER names, by its path or by a name on the PATH: Redis, or as well Valkey. Null where there is none. */
export const redisServer: string | null = findServer()

/** Another process may take a free port between our look and the server's. */
const ATTEMPTS = 5

/**
 * A redis-server of a test's own, on loopback, which keeps nothing unless `args` say so; it answers when this resolves.
 *
 * `null` where there is no redis-server on the PATH, or an error with TQ_REQUIRE_REDIS=1.
 */
export async function startRedis({ args = [], port }: StartRedisOptions = {}): Promise<TestRedis | null> {
  if (!redisServer) return requireRedis()
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const started = await start(redisServer, port ?? freePort(), args).catch(() => null)
    if (started) return started
  }
  return start(redisServer, port ?? freePort(), args)
}

/** `startRedis`, or where there is none a Redis in JavaScript, in this process, which does less; one line says so. */
export async function startRedisOrJs(options: StartRedisOptions = {}): Promise<TestRedis> {
  const real = await startRedis(options)
  if (real) return real
  console.warn('no redis-server on the PATH: js-redis-server stands in for it')
  const { createRedisServer } = await import('js-redis-server')
  const { port, close } = await createRedisServer().then((server) => ({
    port: server.port,
    close: () => server.close(),
  }))
  return { url: `redis://127.0.0.1:${port}`, port, pid: process.pid, stop: close }
}

function findServer(): string | null {
  const chosen = process.env.TQ_REDIS_SERVER
  const found = Bun.which(chosen || 'redis-server')
  if (chosen && !found) throw new Error(`expected TQ_REDIS_SERVER to be a server's path or name, got ${chosen}`)
  return found
}

function requireRedis(): null {
  if (process.env.TQ_REQUIRE_REDIS === '1') throw new Error('expected redis-server on the PATH, got none: install it')
  return null
}

async function start(binary: string, port: number, args: readonly string[]): Promise<TestRedis> {
  const folder = createFolder()
  const fixed = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder.path,
    '--save',
    '',
    '--appendonly',
    'no',
  ]
  const child = Bun.spawn([binary, ...fixed, ...args], { stdout: 'pipe', stderr: 'ignore' })
  const guard = endWithThisProcess(child.pid, folder.path)
  if (!(await isReady(child.stdout))) {
    guard.kill()
    folder.remove()
    throw new Error(`expected redis-server to start on port ${port}, got none`)
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    async stop() {
      guard.kill()
      child.kill('SIGKILL')
      await child.exited
      folder.remove()
    },
  }
}

/** However this process ends, its end of the pipe closes with it. `bun test` runs no exit handlers, and none runs at a kill. */
export function endWithThisProcess(pid: number, folder: string): Bun.Subprocess {
  const script = 'cat > /dev/null; kill -9 "$0"; rm -rf "$1"'
  return Bun.spawn(['sh', '-c', script, String(pid), folder], { stdin: 'pipe', stdout: 'ignore', stderr: 'ignore' })
}

/** Reads the server's log until it says that it listens; false when it ends before. The rest is read and dropped. */
async function isReady(log: ReadableStream<Uint8Array>): Promise<boolean> {
  const reader = log.getReader()
  for (let text = ''; !text.includes('Ready to accept connections'); ) {
    const { done, value } = await reader.read()
    if (done) return false
    text += Buffer.from(value).toString()
  }
  void drain(reader)
  return true
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

export function freePort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  probe.stop(true)
  return probe.port
}
