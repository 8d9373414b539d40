import { parseDuration } from '../scheduler/duration.ts'
import { systemClock } from '../src/clock.ts'
import { UsageError } from './errors.ts'

/** The moment at which something ends that is good for so long from now. Throws `UsageError` for what is no duration. */
export function toExpiresAtMs(expires: string): number {
  const ms = parseDuration(expires)
  if (ms !== null) return systemClock.now() + ms
  throw new UsageError(`expected --expires to be a duration such as 12h or 30d, got "${expires}"`)
}
