import { UnusableStore } from '../../../src/errors.ts'

const MIN_MAJOR = 7
/** What to do about a Redis that lacks commands. */
export const UPDATE_REDIS = `Redis ${MIN_MAJOR}.0 or newer, or Valkey, is needed: update the server`

/**
 * What an `INFO` says against keeping jobs in that Redis. What it does not say is taken as good.
 *
 * Throws `UnusableStore` for a Redis older than 7.0.
 */
export function checkInfo(info: string): readonly string[] {
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  const version = field('redis_version') ?? ''
  // Upstash calls itself 6.2, and has what 7.0 has.
  if (Number.parseFloat(version) < MIN_MAJOR && !field('upstash_version'))
    throw new UnusableStore('Redis', `version ${MIN_MAJOR}.0 or newer`, `version ${version}`, 'update the server')
  const policy = field('maxmemory_policy') ?? 'noeviction'
  if (policy === 'noeviction' || field('maxmemory') === '0') return []
  return [`expected maxmemory-policy noeviction, got ${policy}: a Redis that is full deletes jobs; turn eviction off`]
}
