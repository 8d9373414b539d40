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

/** Runs a command to its end. */
export async function run(command: readonly string[], options: RunOptions): Promise<Exit> {
  const child = spawn(command, options)
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { stdout, stderr, exitCode }
}

/** Runs a command that has to pass, and resolves with what it prints on stdout. */
export async function runOrThrow(command: readonly string[], options: RunOptions): Promise<string> {
  const { stdout, stderr, exitCode } = await run(command, options)
  if (exitCode === 0) return stdout
  throw new Error(`expected "${command.join(' ')}" to pass, got exit code ${exitCode}:\n${stdout}${stderr}`)
}

/** Ends with its scope, however that ends. */
export interface Started extends AsyncDisposable {
  /** Its first line on stdout. */
  readonly line: string
  /** Asks it to end, and resolves with its exit code. */
  stop(): Promise<number>
}

/** Starts a command that goes on, and waits for its first line. */
export async function start(command: readonly string[], options: RunOptions): Promise<Started> {
  const child = spawn(command, options)
  const errors = new Response(child.stderr).text()
  const reader = child.stdout.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (!text.includes('\n')) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`expected a line of "${command.join(' ')}", got none:\n${text}${await errors}`)
    text += decoder.decode(value, { stream: true })
  }
  return {
    line: text.slice(0, text.indexOf('\n')),
    stop: () => {
      child.kill('SIGTERM')
      return child.exited
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
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
