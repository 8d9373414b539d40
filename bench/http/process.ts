import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

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
  /** The line it answers to this one. */
  ask(line: string): Promise<string>
  /** Ends it, and brings the line that it says last. */
  stop(): Promise<string>
}

export interface StartServerOptions {
  /** What runs the file. */
  readonly runtime: readonly string[]
  /** One that says its address in its first line, one more when its input ends, and then ends itself. */
  readonly file: URL
  readonly args: readonly string[]
}

export async function startServer({ runtime, file, args }: StartServerOptions): Promise<ServerProcess> {
  const [command, ...flags] = onCore(SERVER_CORE, [...runtime, fileURLToPath(file), ...args])
  const child = spawn(command, flags, { stdio: ['pipe', 'pipe', 'inherit'] })
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
    ask(asked) {
      child.stdin.write(`${asked}\n`)
      return line(`an answer to ${asked}`)
    },
    async stop() {
      const exited = once(child, 'exit')
      child.stdin.end()
      const last = await line('its last line')
      await exited
      process.off('exit', guard)
      return last
    },
  }
}
