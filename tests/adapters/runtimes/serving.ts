/** The REST API on the runtime that runs it, on a broker in memory; prints its address, then each request that it has answered. */
import { sqliteBroker } from '../../../adapters/brokers/sqlite/index.ts'
import { listen } from '../../../adapters/runtimes/listen.ts'
import { createApi } from '../../../src/http/index.ts'

const broker = sqliteBroker({ path: ':memory:' })
const api = createApi({
  broker,
  tokens: ['token'],
  maxBodyBytes: 10_000,
  onEvent: (event) => {
    if (event.kind === 'http.request') console.log(JSON.stringify([event.method, event.status, event.reason ?? '']))
  },
})
const server = await listen((request) => api.fetch(request), { port: 0 })
console.log(server.url)
