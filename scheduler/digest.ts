import { NIL, v5 } from 'uuid'
import type { Schedule } from '../src/schedule.ts'
import { toDefinition } from './definition.ts'

/** Of how many declarations the text is in memory at once. */
const AT_ONCE = 1_000

/**
 * The same text for the same declarations, in whatever order they come, and another one for others: a UUID by SHA-1 over so many at a
 * time, each in the namespace of those before.
 */
export function digestOf(schedules: readonly Schedule[]): string {
  const sorted = schedules.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  let digest = v5(String(sorted.length), NIL)
  for (let from = 0; from < sorted.length; from += AT_ONCE) {
    const lines = sorted.slice(from, from + AT_ONCE).map((schedule) => `${schedule.name}\n${toDefinition(schedule)}\n`)
    digest = v5(new TextEncoder().encode(lines.join('')), digest)
  }
  return digest
}
