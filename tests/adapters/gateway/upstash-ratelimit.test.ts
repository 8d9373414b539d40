/** The published rate limiter. Its own suite counts through real seconds, and is run by hand (docs/gateway.md); here a window is days. */
import { expect, spyOn, test } from 'bun:test'
import { Analytics, IpDenyList, MultiRegionRatelimit, Ratelimit } from '@upstash/ratelimit'
import { Redis } from '@upstash/redis'
import { hasRedisServer, startSubject, TOKEN, until } from './subject.ts'

const regions = (await Promise.all([startSubject(), startSubject(), startSubject()])).map(
  ({ url }) => new Redis({ url, token: TOKEN }),
)
const [redis] = regions as [Redis]

const DENIED = 'https://raw.githubusercontent.com/stamparm/ipsum/'

const region = (limiter: ConstructorParameters<typeof Ratelimit>[0]['limiter'], dynamicLimits: boolean) =>
  new Ratelimit({ redis, limiter, prefix: crypto.randomUUID(), dynamicLimits })
const everyRegion = (limiter: ConstructorParameters<typeof MultiRegionRatelimit>[0]['limiter']) =>
  new MultiRegionRatelimit({ redis: regions, limiter, prefix: crypto.randomUUID() })

const LIMITERS = {
  'a fixed window': (dynamic = false) => region(Ratelimit.fixedWindow(10, '2 d'), dynamic),
  'a sliding window': (dynamic = false) => region(Ratelimit.slidingWindow(10, '2 d'), dynamic),
  'a token bucket': (dynamic = false) => region(Ratelimit.tokenBucket(10, '2 d', 10), dynamic),
  'a cached fixed window': () => region(Ratelimit.cachedFixedWindow(10, '2 d'), false),
  'a fixed window in three regions': () => everyRegion(MultiRegionRatelimit.fixedWindow(10, '2 d')),
  'a sliding window in three regions': () => everyRegion(MultiRegionRatelimit.slidingWindow(10, '2 d')),
} as const

for (const [name, create] of Object.entries(LIMITERS))
  test(`${name} counts, gives back, tells what is left and forgets`, async () => {
    const limiter = create()
    const caller = crypto.randomUUID()
    const seen: unknown[] = []
    const limit = async (rate = 1) => {
      const { success, remaining, pending } = await limiter.limit(caller, { rate })
      await pending
      seen.push([success, Math.max(remaining, 0)])
    }
    const left = async () => seen.push((await limiter.getRemaining(caller)).remaining)
    const keys = () => Promise.all(regions.map((each) => each.keys(`*${caller}*`))).then((found) => found.flat().length)
    for (const rate of [1, 8]) await limit(rate)
    await left()
    for (const rate of [-3, 4]) await limit(rate)
    await left()
    for (const rate of [1, 1]) await limit(rate)
    expect(seen).toEqual([[true, 9], [true, 1], 1, [true, 4], [true, 0], 0, [false, 0], [false, 0]])
    expect(await keys()).toBeGreaterThan(0)
    await limiter.resetUsedTokens(caller)
    await until(keys, 0) // In several regions it is not waited for.
    expect((await limiter.blockUntilReady(caller, 1_000)).success).toBe(true)
  })

for (const name of ['a fixed window', 'a sliding window', 'a token bucket'] as const)
  test(`the limit of ${name} is changed for all at once`, async () => {
    const limiter = LIMITERS[name](true)
    await limiter.setDynamicLimit({ limit: 2 })
    expect(await limiter.getDynamicLimit()).toEqual({ dynamicLimit: 2 })
    const allowed = [await limiter.limit('a'), await limiter.limit('a'), await limiter.limit('a')]
    expect(allowed.map(({ success }) => success)).toEqual([true, true, false])
    expect(allowed[0]?.limit).toBe(2)
    await limiter.setDynamicLimit({ limit: false })
    expect((await limiter.limit('b')).limit).toBe(10)
  })

test.skipIf(!hasRedisServer)('who is denied is refused, by a list of ours and by one that is fetched', async () => {
  const { fetch } = globalThis
  const fetched = spyOn(globalThis, 'fetch').mockImplementation(((input: string, init: RequestInit) =>
    String(input).startsWith(DENIED)
      ? Promise.resolve(new Response('192.0.2.1\n192.0.2.2\n'))
      : fetch(input, init)) as typeof fetch)
  try {
    const limiter = Ratelimit.fixedWindow(10, '2 d')
    const guard = new Ratelimit({ redis, limiter, prefix: 'guard', enableProtection: true, ephemeralCache: false })
    await redis.scriptFlush() // The first call's EVALSHA and EVAL go in one pipeline.
    await redis.sadd('guard:denyList:all', 'mallory')
    const first = await guard.limit('alice')
    await first.pending
    expect(first.success).toBe(true)
    expect(await guard.limit('mallory')).toMatchObject({ success: false, reason: 'denyList', deniedValue: 'mallory' })
    expect(await guard.limit('bob', { ip: '192.0.2.2' })).toMatchObject({ success: false, deniedValue: '192.0.2.2' })
    await IpDenyList.disableIpDenyList(redis, 'guard')
    expect((await guard.limit('carol', { ip: '192.0.2.1' })).success).toBe(true)
    await IpDenyList.updateIpDenyList(redis, 'guard', 8)
    expect(await redis.smembers('guard:denyList:all').then((all) => all.sort())).toEqual([
      '192.0.2.1',
      '192.0.2.2',
      'mallory',
    ])
  } finally {
    fetched.mockRestore()
  }
})

test('what it has allowed and refused is counted for its dashboard', async () => {
  const analytics = new Analytics({ redis, prefix: 'seen' })
  const time = Date.now()
  for (const success of [true, true, false]) await analytics.record({ identifier: 'someone', success, time })
  expect(await analytics.getUsage(time - 86_400_000)).toEqual({ someone: { success: 2, blocked: 1 } })
})
