import { freshEnvironment } from '../support/fresh-environment.ts'

export interface Exit {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface RunOptions {
  readonly cwd: string
  /** Beside what a machine has by itself. */
  readonly env?: Readonly<Record<string, string>>
}

/** Far more than any command takes; one that never ends fails, and the others are checked all the same. */
const LIMIT_MS = 120_000

/** Runs a command to its end. */
export async function run(command: readonly string[], options: RunOptions): Promise<Exit> {
  const child = spawn(command, options)
  let late = false
  const limit = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, LIMIT_MS)
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  clearTimeout(limit)
  return { stdout, stderr: late ? `${stderr}killed: it had not ended after ${LIMIT_MS} ms\n` : stderr, exitCode }
}

/** Runs a command that has to pass, and resolves with what it prints on stdout. */
export async function runOrThrow(command: readonly string[], options: RunOptions): Promise<string> {
  const { stdout, stderr, exitCode } = await run(command, options)
  if (exitCode === 0) return stdout
  throw new Error(`expected "${command.join(' ')}" to pass, got exit code ${exitCode}:\n${stdout}${stderr}`)
}

/** Ends with its scope, however that ends. */
export interface Started extends AsyncDisposable {
  /** What it printed when it was ready: the first group of the pattern. */
  readonly line: string
  /** What it has printed on stdout so far. */
  printed(): string
  /** Asks it to end, and resolves with its exit code. */
  stop(): Promise<number>
  /** Ends it and all that it has started, unasked: `kill -9`. */
  kill(): Promise<void>
}

const GRACE_MS = 10_000

export interface StartOptions extends RunOptions {
  /** What it prints once it is ready. Default a line. */
  readonly ready?: RegExp
}

/** Starts a command that goes on, and waits until it is ready. */
export async function start(
  command: readonly string[],
  { ready = /^(.*)\n/, ...options }: StartOptions,
): Promise<Started> {
  const child = spawn(command, options)
  const errors = new Response(child.stderr).text()
  const output = follow(child.stdout, ready)
  return {
    line: await output.match.catch(async (text: string) => {
      throw new Error(`expected "${command.join(' ')}" to get ready, got its end:\n${text}${await errors}`)
    }),
    printed: output.text,
    stop: () => {
      child.kill('SIGTERM')
      return child.exited
    },
    async kill() {
      // Some of them end with the first one, before it is their turn: that is no error.
      Bun.spawnSync(['kill', '-9', ...[child.pid, ...startedBy(child.pid)].map(String)])
      await child.exited
    },
    async [Symbol.asyncDispose]() {
      // Asked first: what is killed leaves behind what it has started.
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
      await child.exited
      clearTimeout(late)
    },
  }
}

interface Followed {
  /** The first group of the pattern. Rejects with the whole text when there is no match. */
  readonly match: Promise<string>
  text(): string
}

/** Reads on after the match, or a full pipe would hold the program up. */
function follow(output: ReadableStream<Uint8Array>, pattern: RegExp): Followed {
  const decoder = new TextDecoder()
  let text = ''
  const match = new Promise<string>((resolve, reject) => {
    let isFound = false
    const readAll = async () => {
      for await (const chunk of output) {
        text += decoder.decode(chunk, { stream: true })
        const [, found] = isFound ? [] : (pattern.exec(text) ?? [])
        if (found === undefined) continue
        isFound = true
        resolve(found)
      }
    }
    readAll().then(() => reject(text), reject)
  })
  return { match, text: () => text }
}

/** The processes below one, by those that list them. */
function startedBy(pid: number): number[] {
  const children = Bun.spawnSync(['pgrep', '-P', String(pid)])
    .stdout.toString()
    .split('\n')
    .filter(Boolean)
    .map(Number)
  return children.flatMap((child) => [child, ...startedBy(child)])
}

function spawn(command: readonly string[], { cwd, env }: RunOptions) {
  const own = { NO_COLOR: '1', ...env }
  return Bun.spawn([...command], {
    cwd,
    env: { ...freshEnvironment(), ...own },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
}
