// tq.ts
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createApi } from 'tq-edge/http'
import app from './tq.config.ts'

const tokens = [process.env.TQ_TOKEN ?? '']
export const api = createApi({ app, broker: sqliteBroker({ path: ':memory:' }), tokens, basePath: '/api/tq' })
