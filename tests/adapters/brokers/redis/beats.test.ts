import { expect } from 'bun:test'
import { redisBroker } from '../../../../adapters/brokers/redis/index.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startStore, TOKEN, withRedis } from './support.ts'

withRedis(
  'however often beats are started anew, the store keeps those that are there and the last one of each app',
  async () => {
    const store = await startStore()
    const clock = createVirtualClock()
    const broker = redisBroker({ url: store.url, token: TOKEN, clock, ownTime: true })
    const mark = (beat: string, app: string) =>
      broker.schedules({ presence: { beat, app, runtime: 'bun 1.4.5', startedAtMs: 1 } })
    await mark('beat.old', 'past')
    for (let start = 0; start < 30; start++) {
      await clock.advance(60_000)
      await mark(`beat.${start}`, 'shop')
      await mark('pass', 'edge')
    }
    const fields = (await store.send('HKEYS', '{tq}:beats')) as string[]
    expect(fields.sort()).toEqual(['beat.27|shop', 'beat.28|shop', 'beat.29|shop', 'beat.old|past', 'pass|edge'])
    await broker.close()
  },
)

withRedis(
  "how long ago a beat was there is told by the server's clock, also to whom it has told no time yet",
  async () => {
    const { url } = await startStore()
    const wrong = { ...createVirtualClock(), now: () => 4e12 }
    const [beat, monitor] = [
      redisBroker({ url, token: TOKEN, clock: wrong }),
      redisBroker({ url, token: TOKEN, clock: wrong }),
    ]
    await beat.schedules({ presence: { beat: 'beat.1', app: 'shop', runtime: 'bun 1.4.5', startedAtMs: 1 } })
    const [seen] = await monitor.beats()
    expect(seen?.agoMs).toBeLessThan(60_000)
    expect(Math.abs((seen?.seenAtMs ?? 0) - Date.now())).toBeLessThan(60_000)
    for (const broker of [beat, monitor]) await broker.close()
  },
)
