// after-parser.ts
import type { IncomingMessage } from 'node:http'
import express from 'express'
import { toListener } from 'tq-edge/node'
import { api } from './tq.ts'

const keep = (request: IncomingMessage & { rawBody?: Buffer }, _: unknown, bytes: Buffer) => {
  request.rawBody = bytes
}

export const server = express()
server.use(express.json({ verify: keep }))
server.use('/api/tq', toListener(api.fetch))
