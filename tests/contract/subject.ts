/**
 * What the contract suite is given: one broker under a virtual clock, and where the store can be shared, a second one on it.
 *
 * @module
 */
import type { QueueBounds } from '../../src/bounds.ts'
import type { Broker } from '../../src/broker.ts'
import type { TransitionOptions } from '../../src/transitions.ts'
import { createVirtualClock, type VirtualClock } from '../support/clock.ts'

/** A store that several brokers can be opened on. */
export interface Store {
  open(): Broker | Promise<Broker>
  remove?(): void | Promise<void>
}

/** Makes what a case runs on, with these bounds: a broker of its own, or a store to open brokers on. */
export type CreateSubject = (clock: VirtualClock, bounds: QueueBounds & TransitionOptions) => Broker | Store

export interface Context {
  readonly broker: Broker
  readonly clock: VirtualClock
  /** A second broker on the same store; absent where the store is the broker's alone. */
  readonly open?: () => Promise<Broker>
}

export interface Case {
  readonly name: string
  /** What a broker must have for the case to say anything. */
  readonly needs?: 'a second broker' | 'wake'
  /** The bounds of its queues and whether events are kept, where it is about them. */
  readonly bounds?: QueueBounds & TransitionOptions
  run(ctx: Context): Promise<void>
}

/** Runs one case on a subject of its own. Answers why it was skipped, null when it ran. */
export async function runCase({ run, needs, bounds = {} }: Case, create: CreateSubject): Promise<string | null> {
  const clock = createVirtualClock()
  const opened: Broker[] = []
  const subject = create(clock, bounds)
  const isStore = 'open' in subject
  const open = async () => {
    const broker = await (isStore ? subject.open() : subject)
    opened.push(broker)
    return broker
  }
  try {
    const broker = await open()
    if (needs === 'a second broker' && !isStore) return 'its store is the broker’s alone'
    if (needs === 'wake' && !broker.wake) return 'it has no hints'
    await run({ broker, clock, ...(isStore ? { open } : {}) })
    return null
  } finally {
    for (const broker of opened) await broker.close()
    if (isStore) await subject.remove?.()
  }
}
