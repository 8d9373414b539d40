// worker-app.ts
import { Hono } from 'hono'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { toFetch } from 'tq-edge/fetch'
import app from './tq.config.ts'

const broker = sqliteBroker({ path: ':memory:' })
const tq = toFetch(app, { basePath: '/tq', broker: () => broker })
const server = new Hono<{ Bindings: Record<string, string> }>()
server.all('/tq/*', (c) => tq(c.req.raw, c.env, (work) => c.executionCtx.waitUntil(work)))

export default server
