import { createInterface } from 'node:readline'
import { type Calls, type Contender, wallMs } from './contender.ts'

const say = (word: string, value: number) => process.stdout.write(`${word} ${value}\n`)

export async function tookMs(run: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await run()
  return performance.now() - startedMs
}

async function spentCpuMs(forMs: number): Promise<number> {
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, forMs))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

/** `picked <ms>` is said when a waiting worker starts a job. */
export function serve(contender: Contender): void {
  answer<Calls>({
    batched: (count) => tookMs(() => contender.enqueueBatches(count)),
    concurrent: (count) => tookMs(() => contender.enqueueConcurrently(count)),
    sequential: (count) => tookMs(() => contender.enqueueSequentially(count)),
    process: (count, concurrency) => contender.process(count, concurrency),
    send: async () => {
      const sentMs = wallMs()
      await contender.enqueueSequentially(1)
      return sentMs
    },
    start: (workers) => tookMs(() => contender.startWorkers(workers, () => say('picked', wallMs()))),
    stop: () => tookMs(() => contender.stopWorkers()),
    clock: async () => wallMs(),
    idle: spentCpuMs,
    bare: async (samples) => (await contender.compareToBare?.(samples)) ?? 0,
    close: () => tookMs(() => contender.close()),
  })
}

/** Reads one call a line, `name argument argument`, and answers `done <number>`; ends after `close`. */
export function answer<All extends Record<keyof All, number[]>>(
  calls: {
    [Name in keyof All]: (...args: All[Name]) => Promise<number>
  },
): void {
  const lines = createInterface({ input: process.stdin })
  // However the bench ends, its end of the pipe closes with it.
  lines.on('close', () => process.exit())
  lines.on('line', (line) => {
    const [name = '', ...args] = line.split(' ')
    const call = calls[name as keyof All] as (...args: number[]) => Promise<number>
    void call(...args.map(Number)).then(
      (value) => {
        say('done', value)
        if (name === 'close') lines.close()
      },
      (error) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
}
