/** An Express app with the REST API before its parser, after it, and after one that keeps the bytes; prints its address. */
import type { IncomingMessage } from 'node:http'
import express from 'express'
import { sqliteBroker } from '../../../adapters/brokers/sqlite/index.ts'
import { toListener } from '../../../adapters/runtimes/node.ts'
import { createApi } from '../../../src/http/index.ts'

const own = [globalThis.Request, globalThis.Response]
const broker = sqliteBroker({ path: ':memory:' })
const mounted = (basePath: string) => toListener(createApi({ broker, tokens: ['token'], basePath }).fetch)
const keep = (request: IncomingMessage & { rawBody?: Buffer }, _: unknown, bytes: Buffer) => {
  request.rawBody = bytes
}

const app = express()
app.use('/before', mounted('/before'))
app.use('/kept', express.json({ verify: keep }), mounted('/kept'))
app.use('/after', express.json(), mounted('/after'))
app.get('/own', (_, answer) => {
  answer.json(own[0] === globalThis.Request && own[1] === globalThis.Response)
})
const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number }
  console.log(`http://127.0.0.1:${port}`)
})
