// server.ts
import express from 'express'
import { toListener } from 'tq-edge/node'
import { api } from './tq.ts'

export const server = express()
server.use('/api/tq', toListener(api.fetch))
server.use(express.json())
