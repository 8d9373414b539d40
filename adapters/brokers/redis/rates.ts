import { everyUs, type RateLeft, type RateLimit, toRateLeft } from '../../../src/rate.ts'
import { script } from './lua.ts'
import { notOurs } from './rest.ts'

/**
 * A rate limit is a key `c:<key>`: until when its calls are paid for, in microseconds, and it expires then. No further ahead than the window:
 * a clock that was set back, or a limit that was another, shuts nobody out for longer.
 *
 * ARGV: prefix, now, then per limit: key, calls, what each pays for in microseconds. Returns per limit whether it allows the call (1 or 0) and
 * how far ahead it is paid for then.
 * Commands: EVALSHA, TIME, MGET, and a SET for each limit where all of them allow the call.
 */
export const COUNT_CALL = script(`
local now, keys, ahead, allowed, counts = clock(ARGV[2]) * 1000, {}, {}, {}, true
for at = 3, #ARGV, 3 do keys[#keys + 1] = prefix .. 'c:' .. ARGV[at] end
local function every(i) return tonumber(ARGV[3 * i + 2]) end
for i, found in ipairs(redis.call('MGET', unpack(keys))) do
  local whole = tonumber(ARGV[3 * i + 1]) * every(i)
  ahead[i] = math.min(math.max((tonumber(found or '') or 0) - now, 0), whole)
  allowed[i] = ahead[i] + every(i) <= whole
  counts = counts and allowed[i]
end
local out = {}
for i, key in ipairs(keys) do
  if counts then
    ahead[i] = ahead[i] + every(i)
    redis.call('SET', key, int(now + ahead[i]), 'PX', int(math.ceil(ahead[i] / 1000)))
  end
  out[#out + 1] = allowed[i] and 1 or 0
  out[#out + 1] = ahead[i]
end
return out
`)

export function rateArguments(limit: RateLimit): string[] {
  return [limit.key, String(limit.calls), String(everyUs(limit))]
}

/** Throws `BrokerUnavailable` for what is no answer of our script's. */
export function toRatesLeft(limits: readonly RateLimit[], counted: readonly unknown[]): RateLeft[] {
  return limits.map((limit, at) => {
    const aheadUs = counted[2 * at + 1]
    if (typeof aheadUs !== 'number') throw notOurs()
    return toRateLeft(limit, counted[2 * at] === 1, aheadUs)
  })
}
