import { Hono } from 'hono'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createApi } from 'tq-edge/http'
import app from './tq.config.ts'

const api = createApi({ app, broker: sqliteBroker({ path: ':memory:' }), tokens: [process.env.TQ_TOKEN ?? ''] })

export const server = new Hono().get('/', (c) => c.text('my own page')).route('/tq', api)
export default server
