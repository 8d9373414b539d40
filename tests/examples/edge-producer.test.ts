import { afterAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { createWorker, defineApp, defineTask } from 'tq-edge'
import { redisBroker } from 'tq-edge/brokers/redis'
import producer from '../../examples/edge-producer/worker.ts'
import { startRedisOverHttp } from '../support/redis-http.ts'

const redis = await startRedisOverHttp()
afterAll(() => redis.stop())

const env = { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: redis.token, TQ_TOKENS: 'one,two' }
const headers = { authorization: 'Bearer two', 'content-type': 'application/json' }

const ROOT = join(import.meta.dir, '../..')
const OF_NODE = /from\s*"node:[^"]*"|require\("node:[^"]*"\)/

async function bundleOf(entry: string): Promise<string> {
  const { outputs } = await Bun.build({ entrypoints: [join(ROOT, entry)], target: 'browser', external: ['node:*'] })
  return (outputs[0] as Blob).text()
}

function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return producer.fetch(new Request(`https://edge.example${path}`, { headers, ...init }), env)
}

test('a job taken on the edge runs in a worker elsewhere, and its result is read on the edge', async () => {
  const accepted = await ask('/v1/tasks/greet', { method: 'POST', body: '{"name":"Ada"}' })
  expect(accepted.status).toBe(202)
  const greet = defineTask({ name: 'greet', run: (input) => `Hello, ${(input as { name: string }).name}` })
  const broker = redisBroker({ url: redis.url, token: redis.token })
  await createWorker({ app: defineApp({ tasks: [greet] }), broker, burst: true }).run()
  const result = await ask(`${accepted.headers.get('Location')}/result`)
  expect(await result.json()).toMatchObject({ state: 'succeeded', result: 'Hello, Ada' })
})

test('without one of the tokens nothing is taken', async () => {
  const init = { method: 'POST', body: '{}', headers: { ...headers, authorization: 'Bearer three' } }
  expect((await ask('/v1/tasks/greet', init)).status).toBe(401)
})

test('its bundle needs nothing of Node', async () => {
  expect(await bundleOf('examples/edge-producer/worker.ts')).not.toMatch(OF_NODE)
})

test('wrangler.toml names the app on the edge, whose bundle needs nothing of Node either', async () => {
  const [, main = ''] = /main = "(.*)"/.exec(await Bun.file(join(ROOT, 'wrangler.toml')).text()) ?? []
  expect(await bundleOf(main)).not.toMatch(OF_NODE)
})
