import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AppShape } from './app.ts'
import type { BeatStore } from './stores.ts'

const CLI = fileURLToPath(new URL('../../cli/index.ts', import.meta.url))
const APP = fileURLToPath(new URL('./shaped.ts', import.meta.url))

/** What `tq beat --json` says of a tick that it has fired. */
export interface FiredTick {
  /** Once the broker had answered: the job was stored by then. */
  readonly atMs: number
  readonly schedule: string
  readonly dueAtMs: number
}

/** A `tq beat` in a process of its own. */
export interface BeatProcess {
  /** When it said that it runs. */
  readonly startedAtMs: number
  /** What it has fired, as it goes on. */
  readonly fired: readonly FiredTick[]
  stop(): Promise<void>
}

export async function startBeat({ flags, env }: BeatStore, shape: AppShape): Promise<BeatProcess> {
  const child = spawn(process.execPath, [CLI, 'beat', APP, '--json', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env, BENCH_APP: JSON.stringify(shape) },
  })
  const guard = () => void child.kill('SIGKILL')
  process.once('exit', guard)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const fired: FiredTick[] = []
  const startedAtMs = await new Promise<number>((resolve, reject) => {
    void exited.then((code) => reject(new Error(`expected tq beat to run, got its end (${code})`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line)
      if (event.kind === 'beat.started') resolve(event.atMs)
      if (event.kind === 'beat.fired') fired.push(event)
      // Whatever fails is to be seen, and not to be taken for a slow beat.
      if (/^(broker|beat\.(unknown|broken|missed))/.test(event.kind)) process.stderr.write(`${line}\n`)
    })
  })
  return {
    startedAtMs,
    fired,
    async stop() {
      child.kill('SIGTERM')
      const code = await exited
      process.off('exit', guard)
      if (code !== 0) throw new Error(`expected tq beat to end well, got ${code}`)
    },
  }
}
