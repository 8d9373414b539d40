import { afterAll, expect, test } from 'bun:test'
import { createGateway, type GatewayEvent } from '../../../../adapters/gateway/index.ts'
import { startSentinels } from '../../../support/redis-sentinel.ts'
import { createCaller, readLines, TOKEN, until } from '../subject.ts'

const sentinels = await startSentinels()
const withSentinels = test.skipIf(!sentinels)
const { url, primary, replica, failOver } = sentinels ?? ({} as NonNullable<typeof sentinels>)
afterAll(() => sentinels?.stop())

withSentinels(
  'the gateway follows the primary that sentinels name, and subscribers with it',
  async () => {
    const events: GatewayEvent[] = []
    // The first sentinel is away: the next one is asked.
    const redis = url.replace('127.0.0.1', '127.0.0.1:1,127.0.0.1')
    const gateway = await createGateway({ redis, tokens: [TOKEN], onEvent: (event) => events.push(event) })
    const { send, request } = createCaller(gateway)
    const serverOf = async () => /tcp_port:(\d+)/.exec((await send('INFO', 'server'))[1])?.[1]
    expect(await serverOf()).toBe(String(primary.port))
    const stream = readLines(await request('/subscribe/chat'))
    expect(await stream.next()).toBe('data: subscribe,chat,1')

    await failOver()
    await until(async () => await serverOf(), String(replica.port))
    await until(async () => (await send('SET', 'a', '1'))[0], 200)
    expect(await stream.next()).toBe('data: subscribe,chat,1')
    await until(async () => (await send('PUBLISH', 'chat', 'hello'))[1], '{"result":1}')
    expect(await stream.next()).toBe('data: message,chat,hello')
    expect(events.map(({ type }) => type).slice(0, 2)).toEqual(['redis.lost', 'redis.lost'])
    await gateway.close()
    expect(await stream.next()).toBeNull()
  },
  60_000,
)

withSentinels(
  'a primary that the sentinels do not know, and sentinels that are away, are errors at the start',
  async () => {
    const unknown = createGateway({ redis: url.replace('/main', '/other'), tokens: [TOKEN] })
    await expect(unknown).rejects.toThrow('got a sentinel that knows no primary "other"')
    const away = createGateway({ redis: 'redis+sentinel://:hunter2@127.0.0.1:1/main', tokens: [TOKEN] })
    await expect(away).rejects.toThrow('expected an answer of the redis broker, got ECONNREFUSED')
  },
)
