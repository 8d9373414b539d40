import { toBatches } from '../src/batches.ts'
import type {
  Broker,
  DeployMark,
  FireOutcome,
  ScheduleChange,
  SchedulePage,
  ScheduleQuery,
  ScheduleRun,
  Tick,
} from '../src/broker.ts'
import type { Clock } from '../src/clock.ts'
import type { OnEvent } from '../src/events.ts'
import { type JobRecord, utf8Bytes } from '../src/job.ts'
import { resend } from '../src/resend.ts'

export interface CallOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly onEvent?: OnEvent | undefined
  /** Ends resends early. */
  readonly signal?: AbortSignal | undefined
}

/** The broker's calls that a beat makes: in batches, and sent again while that may help. */
export interface Calls {
  schedules(query: ScheduleQuery): Promise<SchedulePage>
  setSchedules(changes: readonly ScheduleChange[]): Promise<readonly ('set' | 'existing' | 'moved')[]>
  deployed(app: string): Promise<DeployMark | null>
  setDeployed(app: string, mark: DeployMark, seen: DeployMark | null): Promise<'set' | 'existing' | 'moved'>
  fire(ticks: readonly Tick[]): Promise<readonly FireOutcome[]>
  runs(schedule: string): Promise<readonly ScheduleRun[]>
  get(ids: readonly string[]): Promise<readonly (JobRecord | null)[]>
  /** Whether the error is what one of these calls ended with, not a mistake of ours. */
  caused(error: unknown): boolean
}

const RESEND_DEADLINE_MS = 20_000
/** What a tick or a change weighs in a call besides its one text of any length: names, ids, numbers, punctuation. */
export const ENVELOPE_BYTES = 1_000

export function createCalls(broker: Broker, options: CallOptions): Calls {
  let lastError: unknown

  async function send<T>(call: string, run: () => Promise<T>): Promise<T> {
    try {
      return await resend(run, { ...options, call, deadlineMs: RESEND_DEADLINE_MS })
    } catch (error) {
      lastError = error
      throw error
    }
  }

  /** One after the other: a beat is in no hurry, and what comes first is fired first. */
  async function sendAll<T, Outcome>(
    batches: readonly (readonly T[])[],
    run: (batch: readonly T[]) => Promise<readonly Outcome[]>,
  ): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const batch of batches) outcomes.push(...(await run(batch)))
    return outcomes
  }

  return {
    schedules: (query) => send('schedules', () => broker.schedules(query)),
    setSchedules: (changes) =>
      sendAll(toBatches(changes, bytesOfChange), (batch) => send('setSchedules', () => broker.setSchedules(batch))),
    deployed: (app) => send('deployed', () => broker.deployed(app)),
    setDeployed: (app, mark, seen) => send('setDeployed', () => broker.setDeployed(app, mark, seen)),
    fire: (ticks) =>
      sendAll(
        toBatches(ticks, ({ job }) => ENVELOPE_BYTES + utf8Bytes(job?.input ?? '')),
        (batch) => send('fire', () => broker.fire(batch)),
      ),
    runs: (schedule) => send('runs', () => broker.runs(schedule)),
    get: (ids) => send('get', () => broker.get(ids)),
    caused: (error) => error === lastError,
  }
}

function bytesOfChange(change: ScheduleChange): number {
  return ENVELOPE_BYTES + (change.kind === 'set' ? utf8Bytes(change.definition) : 0)
}
