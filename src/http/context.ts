import type { Broker } from '../broker.ts'
import type { Client } from '../client/client.ts'
import type { Results } from '../client/results.ts'
import type { Clock } from '../clock.ts'
import type { ResendOptions } from '../resend.ts'
import type { Schedules } from '../schedules.ts'
import type { Task } from '../task.ts'
import type { Identify } from './auth.ts'
import type { Enqueue } from './enqueue.ts'
import type { Streams } from './event-stream.ts'
import type { Once } from './idempotency.ts'
import type { CountCall } from './rate-limits.ts'

/** What the groups of routes share: each takes of it what it needs. */
export interface ApiContext {
  readonly broker: Broker
  readonly client: Client
  /** For calls that a route verifies itself. */
  readonly countCall: CountCall
  /** Whose beats are told of; any app's when left out. */
  readonly app: string | undefined
  readonly tasks: ReadonlyMap<string, Task> | undefined
  /** Undefined where the API was given none. */
  readonly schedules: Schedules | undefined
  /** What links are signed with; none where there are no links. */
  readonly linkSecrets: readonly string[]
  readonly clock: Clock
  /** Who calls, for a route that tells some more than others. */
  readonly identify: Identify
  /** The looks at jobs that somebody watches. */
  readonly results: Results
  readonly enqueue: Enqueue
  readonly once: Once
  readonly maxBodyBytes: number
  readonly streams: Streams
  /** How a look at the broker is sent again that gets no answer. */
  readonly reading: Omit<ResendOptions, 'call'>
  /** Sends a change to the broker, and again where its reply is lost. What only reads is the caller's to ask again. */
  readonly send: <T>(call: string, send: () => Promise<T>) => Promise<T>
}
