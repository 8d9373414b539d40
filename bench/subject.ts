import type { Broker } from '../src/broker.ts'
import { defineApp, defineTask } from '../src/index.ts'

/** A kind of broker to measure. */
export interface Subject {
  readonly broker: string
  /** An empty store. */
  create(): Promise<Store>
  /** The broker of a store that another process has made. */
  open(address: string): Broker
}

export interface Store {
  readonly broker: Broker
  /** What another process opens the same store by. */
  readonly address: string
  /** Closes the store, says how many bytes it holds by then, and removes it. */
  weighAndRemove(): Promise<number>
}

/** How much work each figure is taken from. */
export interface Size {
  readonly rounds: number
  readonly sequential: number
  readonly concurrent: number
  readonly batched: number
  readonly processed: Readonly<Record<Concurrency, number>>
  readonly pickups: number
  readonly stored: number
  readonly backlog: number
  readonly claims: number
  readonly idleMs: number
}

export type Concurrency = '1' | '10' | '100'

/** What one run of the bench has found. */
export interface Figures {
  readonly broker: string
  readonly enqueueBatchPerS: number
  readonly enqueueConcurrentPerS: number
  readonly enqueueSequentialPerS: number
  readonly processPerS: Readonly<Record<Concurrency, number>>
  readonly pickupMs: { readonly p50: number; readonly p99: number }
  /** What a waiting job with a 100-byte payload takes in the store. */
  readonly bytesPerJob: number
  /** A claim from a backlog of 1,000,000, in claims from one of 1,000. */
  readonly backlogRatio: number
  readonly idleCpuMsPerS: number
}

/** 100 bytes as JSON text. */
export const PAYLOAD = { data: 'x'.repeat(89) }
export const BATCH_JOBS = 500

export const app = defineApp({ tasks: [defineTask({ name: 'noop', run: async () => ({ ok: true }) })] })
