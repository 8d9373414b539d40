/** Serves what it is told to, on the runtime that runs it, and answers with what it has seen. */
import { Server } from 'node:http'
import process from 'node:process'
import { createCallers } from '../../../adapters/runtimes/callers.ts'
import { listen } from '../../../adapters/runtimes/listen.ts'

// By itself Node ends a connection on which nothing comes after five seconds, and so hides that nobody else does.
Object.defineProperty(Server.prototype, 'keepAliveTimeout', { get: () => 0, set() {} })

const { trustedProxies, ...options } = JSON.parse(process.argv[2] as string)
const callers = createCallers({ trustedProxies })
const server = await listen(
  async (given, peerOf) => {
    const request = callers.receive(given, peerOf)
    if (request.url.endsWith('/throw')) throw new Error('a secret of the handler')
    if (request.url.endsWith('/close')) void server.close().then(() => console.log('closed'))
    return Response.json({ url: request.url, from: callers.addressOf(request), body: await request.text() })
  },
  { port: 0, ...options },
)
console.log(server.url)
