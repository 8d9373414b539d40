import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Shared, Side } from './names.ts'

export const SERVER_CORE = 0
export const LOAD_CORE = 1

/** As many open files as may be, for thousands of sockets. */
const WITH_FILES = ['sh', '-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh']

/** A command that keeps to one core, where the system can hold it to one. */
export function onCore(core: number, command: readonly string[]): readonly [string, ...string[]] {
  const [first = '', ...rest] = [
    ...WITH_FILES,
    ...(Bun.which('taskset') ? ['taskset', '-c', String(core)] : []),
    ...command,
  ]
  return [first, ...rest]
}

export interface ServerProcess {
  readonly url: string
  /** What it holds in memory. */
  residentBytes(): number
  stop(): Promise<Shared>
}

export async function startServer(runtime: readonly string[], side: Side): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
  const path = fileURLToPath(new URL('./server.ts', import.meta.url))
  const [command, ...args] = onCore(SERVER_CORE, [...runtime, path, side, folder])
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const guard = () => void child.kill('SIGKILL')
  process.once('exit', guard)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async (what: string): Promise<string> => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`expected ${what} of the server, got its end`)
    return value
  }
  const url = await line('the address')
  return {
    url,
    residentBytes: () =>
      1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]),
    async stop() {
      const exited = once(child, 'exit')
      child.stdin.end()
      const shared = JSON.parse(await line('what it has told its broker')) as Shared
      await exited
      process.off('exit', guard)
      rmSync(folder, { recursive: true })
      return shared
    },
  }
}
