/** `tq` as its users run it: real processes in folders of their own. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Subprocess, spawn } from 'bun'
import { redisServer } from '../support/redis-server.ts'

export const ROOT: string = join(import.meta.dir, '../..')

/** What runs the CLI; other runtimes run what is built. */
export const SOURCES: readonly string[] = [process.execPath, join(ROOT, 'cli/index.ts')]

export interface Exit {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface Folder extends AsyncDisposable {
  readonly path: string
  write(name: string, text: string): Promise<void>
  /** Runs `tq` to its end. */
  tq(args: readonly string[], options?: RunOptions): Promise<Exit>
  /** Starts `tq` and leaves it running; what still runs at the end of the test is killed. */
  start(args: readonly string[], options?: RunOptions): Running
}

export interface RunOptions {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface Running {
  /** Waits for a line on stdout or stderr that matches and has not been waited for before, and returns it. */
  line(pattern: RegExp | string): Promise<string>
  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGKILL'): void
  readonly exit: Promise<Exit>
}

/** A folder inside the checkout, where `tq-edge` resolves to the sources. */
export async function createFolder(
  cli: readonly string[] = SOURCES,
  parent: string = import.meta.dir,
): Promise<Folder> {
  const path = await mkdtemp(join(parent, '.tmp-'))
  const started = new Set<Subprocess>()
  const start = (args: readonly string[], options: RunOptions = {}) => {
    const child = spawnTq([...cli, ...args], path, options)
    started.add(child)
    void child.exited.then(() => started.delete(child))
    return toRunning(child)
  }
  return {
    path,
    async write(name, text) {
      await mkdir(dirname(join(path, name)), { recursive: true })
      await writeFile(join(path, name), text)
    },
    tq: (args, options) => start(args, options).exit,
    start,
    async [Symbol.asyncDispose]() {
      for (const child of started) child.kill('SIGKILL')
      await Promise.all([...started].map(({ exited }) => exited))
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** The server that tests use, by that name, in a folder for a PATH. */
export async function serverAs(name: string, { path }: Folder): Promise<string> {
  const bin = join(path, 'bin')
  await mkdir(bin, { recursive: true })
  await rm(join(bin, name), { force: true })
  await symlink(String(redisServer), join(bin, name))
  return bin
}

type Child = Subprocess<Blob | 'ignore', 'pipe', 'pipe'>

function spawnTq(command: string[], cwd: string, { stdin, env }: RunOptions): Child {
  const {
    TQ_TOKENS,
    TQ_LINK_SECRET,
    TQ_DEBUG,
    TQ_URL,
    TQ_MAX_READY,
    TQ_MAX_TIMED,
    TQ_WHEN_FULL,
    TQ_EVENTS,
    npm_lifecycle_event,
    FORCE_COLOR,
    ...inherited
  } = process.env
  return spawn(command, {
    cwd,
    env: { ...inherited, NO_COLOR: '1', ...env },
    stdin: stdin === undefined ? 'ignore' : new Blob([stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
  })
}

interface Waiting {
  readonly pattern: RegExp | string
  readonly found: (line: string) => void
  readonly missed: (error: Error) => void
}

function toRunning(child: Child): Running {
  const lines: string[] = []
  const waiting: Waiting[] = []
  const arrived = (line: string) => {
    const at = waiting.findIndex(({ pattern }) => matches(line, pattern))
    const [entry] = at < 0 ? [] : waiting.splice(at, 1)
    if (entry) entry.found(line)
    else lines.push(line)
  }
  const exit = Promise.all([readLines(child.stdout, arrived), readLines(child.stderr, arrived), child.exited]).then(
    ([stdout, stderr, exitCode]) => {
      for (const { pattern, missed } of waiting) missed(new Error(`no line ${pattern} in:\n${stdout}\n${stderr}`))
      return { stdout, stderr, exitCode }
    },
  )
  return {
    line(pattern) {
      const at = lines.findIndex((line) => matches(line, pattern))
      if (at >= 0) return Promise.resolve(lines.splice(at, 1)[0] as string)
      return new Promise((found, missed) => waiting.push({ pattern, found, missed }))
    },
    signal: (name) => child.kill(name),
    exit,
  }
}

function matches(line: string, pattern: RegExp | string): boolean {
  return typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line)
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let from = 0
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n', from); end >= 0; end = text.indexOf('\n', from)) {
      onLine(text.slice(from, end))
      from = end + 1
    }
  }
  return text
}

/** An app of a few tasks, written as its users write it. */
export const GREETER = `
import { defineApp, defineTask } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
import * as v from 'valibot'

const greet = defineTask({
  name: 'greet',
  input: v.object({ name: v.string() }),
  run: ({ name }) => \`Hello, \${name}\`,
})
const fail = defineTask({
  name: 'fail',
  retry: { maxAttempts: 1 },
  run: () => {
    throw new Error('as told')
  },
})
const linger = defineTask({
  name: 'linger',
  run: (_, job) => new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
})

export default defineApp({
  name: 'greeter',
  tasks: [greet, fail, linger],
  schedules: [every('greetings', '1s', { task: greet, input: { name: 'beat' } })],
})
`
