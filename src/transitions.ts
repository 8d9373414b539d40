import type { Broker } from './broker.ts'
import { EventsOff } from './errors.ts'
import { checkWhole } from './whole.ts'

export interface TransitionOptions {
  /**
   * Whether the broker keeps what becomes of jobs, for `GET /v1/events`: the last 100,000 changes of state, or some `maxEvents` from 100
   * to 1,000,000. Default false, as each step that changes a job costs more with it.
   */
  readonly events?: boolean | { readonly maxEvents?: number }
}

const MIN_EVENTS = 100
export const MAX_EVENTS = 1_000_000
const DEFAULT_EVENTS = 100_000

/** How many to keep: 0 for none, undefined where nothing is said. Throws `InvalidOption` for what cannot be. */
export function checkMaxEvents({ events }: TransitionOptions): number | undefined {
  if (events === undefined) return undefined
  if (events === false) return 0
  const { maxEvents = DEFAULT_EVENTS } = events === true ? {} : events
  checkWhole('maxEvents', maxEvents, MIN_EVENTS, MAX_EVENTS)
  return maxEvents
}

/** What reads a broker's transitions. Throws `EventsOff` where it keeps none. */
export function transitionsOf({ transitions }: Broker): NonNullable<Broker['transitions']> {
  if (!transitions) throw new EventsOff()
  return transitions
}
