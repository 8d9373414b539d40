/** A server in a process of its own until its input ends: `side redis` as arguments. */
import { createInterface } from 'node:readline'
import { serveGateway } from '../../adapters/gateway/index.ts'
import { TOKEN } from '../http/names.ts'
import type { Side } from './names.ts'

const [side, redis] = process.argv.slice(2) as [Side, string]

/** What somebody would write who has no Redis: it parses the same body, and answers as SET is answered. */
function bare(): string {
  const { url } = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      await request.json()
      return new Response('{"result":"OK"}', { headers: { 'content-type': 'application/json' } })
    },
  })
  return url.href.replace(/\/$/, '')
}

console.log(side === 'bare' ? bare() : (await serveGateway({ redis, tokens: [TOKEN], port: 0 })).url)
createInterface({ input: process.stdin })
  .on('line', () => {
    Bun.gc(true)
    console.log('collected')
  })
  .on('close', () => {
    console.log('ended')
    process.exit()
  })
