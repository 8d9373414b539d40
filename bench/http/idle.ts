import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { INPUT, SERVER, TOKEN } from './names.ts'
import { LOAD_CORE, onCore, type ServerProcess, startServer } from './process.ts'

const BATCH = 1_000
const LOOK_EVERY_MS = 1_000

export interface Watching {
  readonly count: number
  /** The path of a stream, with `*` for the number of the client. */
  readonly path: string
  /** What every stream begins with. */
  readonly first: string
  readonly forMs: number
}

/** The most that an API holds in memory, in MB, once so many clients each watch a job that waits, for so long. */
export async function measureWatchers(runtime: readonly string[], count: number, forMs: number): Promise<number> {
  const server = await startServer({ runtime, file: SERVER, args: ['api'] })
  for (let at = 0; at < count; at += BATCH) await enqueueWaiting(server.url, at)
  const most = await mostWhileWatched(server, { count, path: '/v1/jobs/job-*/events', first: 'event: job', forMs })
  await server.stop()
  return most
}

/** The most that a server holds in memory, in MB, while so many clients each read a stream of their own. */
export async function mostWhileWatched(
  server: ServerProcess,
  { count, path, first, forMs }: Watching,
): Promise<number> {
  const watchers = fileURLToPath(new URL('./watchers.ts', import.meta.url))
  const { port } = new URL(server.url)
  const [command, ...args] = onCore(LOAD_CORE, [process.execPath, watchers, port, String(count), path, first])
  const clients = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(clients, 'exit')
  const failed = ended.then(() => Promise.reject(new Error('expected clients that stay, got their end')))
  await Promise.race([once(clients.stdout, 'data'), failed])
  let mostBytes = 0
  for (let passedMs = 0; passedMs < forMs; passedMs += LOOK_EVERY_MS) {
    await Promise.race([Bun.sleep(LOOK_EVERY_MS), failed])
    mostBytes = Math.max(mostBytes, server.residentBytes())
  }
  failed.catch(() => {}) // From here on it is meant to end.
  clients.stdin.end()
  await ended
  return Math.round(mostBytes / 1e6)
}

async function enqueueWaiting(url: string, from: number): Promise<void> {
  const jobs = Array.from({ length: BATCH }, (_, at) => ({
    task: 'send',
    id: `job-${from + at}`,
    input: INPUT,
    delayMs: 86_400_000,
  }))
  const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' }
  const { status } = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify(jobs) })
  if (status !== 202) throw new Error(`expected jobs to watch, got ${status}`)
}
