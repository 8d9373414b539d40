// hono.ts
import { Hono } from 'hono'
import { api } from './tq.ts'

export default new Hono().all('/api/tq/*', (c) => api.fetch(c.req.raw))
