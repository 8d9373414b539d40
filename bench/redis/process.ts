import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Calls, wallMs } from './contender.ts'

const CLOCK_READINGS = 50

/** A contender in a process of its own. */
export interface Driver<All extends Record<keyof All, number[]> = Calls> {
  call<Name extends keyof All>(name: Name, ...args: All[Name]): Promise<number>
  /** When the next job is started by one of its waiting workers, by this process's clock. */
  nextPickedMs(): Promise<number>
  /** A moment of its clock by this process's. */
  toOurMs(theirsMs: number): number
  close(): Promise<void>
}

export interface DriverOptions {
  /** What runs the file. */
  readonly command: readonly string[]
  /** Relative to this one. */
  readonly file: string
  readonly args: readonly string[]
}

export async function startDriver<All extends Record<keyof All, number[]> = Calls>({
  command,
  file,
  args,
}: DriverOptions): Promise<Driver<All>> {
  const [binary = '', ...flags] = command
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = spawn(binary, [...flags, path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const awaited = new Map<string, (value: number) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [word = '', value] = line.split(' ')
    const resolve = awaited.get(word)
    awaited.delete(word)
    resolve?.(Number(value))
  })

  function next(word: string): Promise<number> {
    return new Promise((resolve, reject) => {
      awaited.set(word, resolve)
      void ended.then((code) => reject(new Error(`expected "${word}" from ${file}, got its end (${code})`)))
    })
  }

  function ask(name: string, ...given: readonly number[]): Promise<number> {
    const answer = next('done')
    child.stdin.write(`${[name, ...given].join(' ')}\n`)
    return answer
  }

  const skewMs = await measureSkew(() => ask('clock'))
  return {
    call: (name, ...given) => ask(String(name), ...given),
    nextPickedMs: async () => (await next('picked')) - skewMs,
    toOurMs: (theirsMs) => theirsMs - skewMs,
    async close() {
      await ask('close')
      const grace = setTimeout(() => child.kill('SIGKILL'), 2_000)
      await ended
      clearTimeout(grace)
    },
  }
}

/** How far the driver's clock is ahead, by the reading that came back fastest. */
async function measureSkew(read: () => Promise<number>): Promise<number> {
  let best = { tripMs: Number.POSITIVE_INFINITY, skewMs: 0 }
  for (let reading = 0; reading < CLOCK_READINGS; reading++) {
    const sentMs = wallMs()
    const theirsMs = await read()
    const tripMs = wallMs() - sentMs
    if (tripMs < best.tripMs) best = { tripMs, skewMs: theirsMs - (sentMs + tripMs / 2) }
  }
  return best.skewMs
}
