import type { Concurrency, Figures } from '../subject.ts'

/** The keys of the embedded bench, and what is billed. */
export interface RedisFigures extends Omit<Figures, 'broker'> {
  readonly broker: string
  /** 1,000 single enqueues, then drained at concurrency 10. */
  readonly commandsPerJob: number
  /** One job at a time, by how many workers wait for it. */
  readonly commandsOneAtATime: Readonly<Record<'1' | '50', number>>
  readonly idleCommandsPerMinute: number
  /** One sequential `enqueue` in bare commands of the same client and size; only tq has it. */
  readonly enqueueInBareCommands?: number
}

/** Each figure of one side divided by the other's. */
export type Ratio = Omit<RedisFigures, 'broker' | 'enqueueInBareCommands'>

export interface Sizes {
  readonly rounds: number
  readonly sequential: number
  readonly concurrent: number
  readonly batched: number
  readonly processed: Readonly<Record<Concurrency, number>>
  readonly pickups: number
  readonly stored: number
  readonly backlog: number
  readonly claims: number
  readonly oneAtATime: number
  readonly idleMs: number
}

export const FULL: Sizes = {
  rounds: 5,
  sequential: 2_000,
  concurrent: 10_000,
  batched: 50_000,
  processed: { '1': 2_000, '10': 15_000, '100': 40_000 },
  pickups: 200,
  stored: 50_000,
  backlog: 100_000,
  claims: 5,
  oneAtATime: 40,
  idleMs: 60_000,
}

/** For a look while working: too little for figures to rely on. */
export const QUICK: Sizes = {
  rounds: 2,
  sequential: 500,
  concurrent: 10_000,
  batched: 20_000,
  processed: { '1': 500, '10': 5_000, '100': 20_000 },
  pickups: 60,
  stored: 20_000,
  backlog: 20_000,
  claims: 2,
  oneAtATime: 10,
  idleMs: 6_000,
}

/** With a delay in both paths whatever goes one by one takes its round trips. */
export function atRoundTrip(sizes: Sizes): Sizes {
  return { ...sizes, sequential: 50, processed: { '1': 50, '10': 1_000, '100': 10_000 }, claims: 2, backlog: 20_000 }
}

export function ratioOf(a: RedisFigures, b: RedisFigures): Ratio {
  const { broker: _, enqueueInBareCommands: __, ...figures } = a
  return divide(figures, b as never) as never
}

function divide(a: object, b: Record<string, unknown>): object {
  const pairs = Object.entries(a).map(([name, value]) => [
    name,
    typeof value === 'number' ? Number((value / (b[name] as number)).toPrecision(3)) : divide(value, b[name] as never),
  ])
  return Object.fromEntries(pairs)
}
