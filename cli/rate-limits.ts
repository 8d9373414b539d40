import { parseDuration } from '../scheduler/duration.ts'
import type { RateLimitOptions } from '../src/http/index.ts'
import { MAX_RATE_CALLS, MAX_RATE_WINDOW_MS, MIN_RATE_WINDOW_MS, type Rate } from '../src/rate.ts'
import { UsageError } from './errors.ts'

export const rateLimitArgs = {
  'rate-limit': {
    type: 'string',
    description: 'How many calls a token may make, over all servers on this broker, such as 100/10s (default any)',
    valueHint: 'n/time',
  },
  'address-rate-limit': {
    type: 'string',
    description: 'How many calls an address may make, in the same way (default any)',
    valueHint: 'n/time',
  },
} as const

type Flags = { readonly [Flag in keyof typeof rateLimitArgs]?: string | undefined }

/** What the flags say of rate limits; undefined where they say nothing. Throws `UsageError` for what is no number of calls in a time. */
export function toRateLimits(flags: Flags): RateLimitOptions | undefined {
  const perToken = toRate('rate-limit', flags['rate-limit'])
  const perAddress = toRate('address-rate-limit', flags['address-rate-limit'])
  return perToken || perAddress ? { perToken, perAddress } : undefined
}

/** `100/10s`, and `100/s` for `100/1s`. */
function toRate(flag: keyof typeof rateLimitArgs, text: string | undefined): Rate | undefined {
  if (text === undefined) return undefined
  const [, digits, duration = ''] = /^(\d{1,7})\/(.+)$/.exec(text) ?? []
  const calls = Number(digits)
  const windowMs = parseDuration(duration) ?? parseDuration(`1${duration}`) ?? 0
  if (calls >= 1 && calls <= MAX_RATE_CALLS && windowMs >= MIN_RATE_WINDOW_MS && windowMs <= MAX_RATE_WINDOW_MS)
    return { calls, windowMs }
  throw new UsageError(
    `expected --${flag} to be calls in a time, from 1/31d to ${MAX_RATE_CALLS}/1s, such as 100/10s, got "${text}"`,
  )
}
