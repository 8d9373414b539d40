/**
 * What a stored definition says besides the declaration: what becomes of a schedule at run time, and has to survive deploys.
 *
 * @module
 */
import * as v from 'valibot'
import type { StoredSchedule } from '../src/broker.ts'
import type { Schedule } from '../src/schedule.ts'
import { toDefinition } from './definition.ts'

export interface ScheduleState {
  /** Made at run time: no deploy removes it. */
  readonly origin?: 'runtime' | undefined
  /** Never due until it is resumed. */
  readonly paused?: true | undefined
  /** When it would have been due next when it was paused: what its rhythm goes by. */
  readonly pausedDueAtMs?: number | undefined
  /** What the app's file declares, where a change at run time stands in its place. */
  readonly declared?: string | undefined
}

interface Parts {
  readonly declaration: string
  readonly state: ScheduleState
}

const Definition = v.pipe(
  v.string(),
  v.parseJson(),
  v.looseObject({
    origin: v.optional(v.literal('runtime')),
    paused: v.optional(v.literal(true)),
    pausedDueAtMs: v.optional(v.number()),
    declared: v.optional(v.string()),
  }),
)

/** What this version does not know of a declaration stays in it. */
export function splitDefinition(definition: string): Parts {
  const read = v.safeParse(Definition, definition)
  if (!read.success) return { declaration: definition, state: {} }
  const { origin, paused, pausedDueAtMs, declared, ...declaration } = read.output
  return { declaration: JSON.stringify(declaration), state: { origin, paused, pausedDueAtMs, declared } }
}

/** The same text for the same declaration and state. */
export function joinDefinition({ declaration, state }: Parts): string {
  const { origin, paused, pausedDueAtMs, declared } = state
  return JSON.stringify({ ...JSON.parse(declaration), origin, paused, pausedDueAtMs, declared })
}

/**
 * The rule of conflict, where an app's file is deployed: the latest change wins, and the file counts as changed when it declares
 * another thing than at its last deploy. Answers what is to be stored.
 */
export function deployedDefinition(schedule: Schedule, stored: StoredSchedule | undefined): string {
  const declaration = toDefinition(schedule)
  if (!stored || stored.definition === declaration) return declaration
  const { state } = splitDefinition(stored.definition)
  if (state.declared === declaration) return stored.definition
  return joinDefinition({ declaration, state: { paused: state.paused } })
}

/** The same rule, where a schedule is set at run time. */
export function changedDefinition(schedule: Schedule, stored: StoredSchedule | undefined): string {
  const declaration = toDefinition(schedule)
  if (!stored) return joinDefinition({ declaration, state: { origin: 'runtime' } })
  const { declaration: before, state } = splitDefinition(stored.definition)
  if (state.origin) return joinDefinition({ declaration, state })
  const declared = state.declared ?? before
  return joinDefinition({
    declaration,
    state: declared === declaration ? { paused: state.paused } : { ...state, declared },
  })
}
