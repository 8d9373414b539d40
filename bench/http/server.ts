/** A server in a process of its own until its input ends: `side` as argument. The API is on a file of the embedded broker. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono, type MiddlewareHandler } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { v7 } from 'uuid'
import { sqliteBroker } from '../../adapters/brokers/sqlite/index.ts'
import { type FetchHandler, listen } from '../../adapters/runtimes/listen.ts'
import type { Broker } from '../../src/broker.ts'
import { createApi } from '../../src/http/index.ts'
import { app, type Shared, type Side, TOKEN } from './names.ts'

const [side] = process.argv.slice(2) as [Side]
const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
const shared = { jobs: 0, calls: 0 } satisfies Shared

const asText: MiddlewareHandler = async (c, next) => {
  if (c.req.header('Authorization') !== `Bearer ${TOKEN}`) return c.text('expected a token', 401)
  return next()
}

/** What somebody would write who keeps no jobs: it checks the same token, parses the same body, and answers as the API does. */
function bareRoute(check: MiddlewareHandler): FetchHandler {
  const app = new Hono()
  app.use('/v1/*', check)
  app.post('/v1/tasks/:task', async (c) => {
    await c.req.json()
    const id = v7()
    return c.json({ id, state: 'queued' }, 202, { Location: `/v1/jobs/${id}` })
  })
  return app.fetch
}

function api(): FetchHandler {
  const broker = sqliteBroker({ path: `${folder}/tq.db` })
  const enqueue: Broker['enqueue'] = (jobs) => {
    shared.calls++
    shared.jobs += jobs.length
    return broker.enqueue(jobs)
  }
  return createApi({ broker: { ...broker, enqueue }, tokens: [TOKEN], app }).fetch
}

const serve = { api, bare: () => bareRoute(bearerAuth({ token: TOKEN })), text: () => bareRoute(asText) }[side]
console.log((await listen(serve(), { port: 0 })).url)
process.stdin.resume().once('end', () => {
  rmSync(folder, { recursive: true })
  console.log(JSON.stringify(shared))
  process.exit()
})
