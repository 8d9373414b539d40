/** Requests over real sockets: what a receiver really gets, and what no name leads to. */
import { afterAll, expect, test } from 'bun:test'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { createClient, createWorker, defineApp, defineTask, sendCallbacks } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { hostFetch, type Resolve } from '../../../adapters/runtimes/host-fetch.ts'

const SECRET = `whsec_${btoa('a secret that is long enough')}`
const servers: Server[] = []
afterAll(() => {
  for (const server of servers) server.close()
})

async function serve(answer: RequestListener): Promise<number> {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** A resolver that answers the same for every name, and counts. */
function resolver(...addresses: readonly string[]) {
  const asked: string[] = []
  const resolve: Resolve = (hostname, _options, done) => {
    asked.push(hostname)
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return { asked, resolve }
}

const nameOf = (sent: Promise<unknown>) =>
  sent.then(
    () => 'sent',
    ({ name }) => name,
  )

test('a delivery over a real socket is verified by the package of Standard Webhooks', async () => {
  const verified = Promise.withResolvers<unknown>()
  const port = await serve(async (request, response) => {
    const body = await bodyOf(request)
    response.writeHead(204).end()
    try {
      verified.resolve(new Webhook(SECRET).verify(body, request.headers as Record<string, string>))
    } catch (error) {
      verified.reject(error)
    }
  })
  const app = defineApp({ tasks: [defineTask({ name: 'sum', run: (all) => (all as number[]).length })] })
  const broker = sqliteBroker({ path: ':memory:' })
  const url = `http://127.0.0.1:${port}/done?of=sum`
  await createClient<typeof app>({ broker }).enqueue('sum', ['é', '☃'], { id: 'näme "1"', onSuccess: url })
  const allowHosts = [`127.0.0.1:${port}`]
  const callbacks = sendCallbacks({ secret: SECRET, allowHosts, fetch: hostFetch({ allowHosts }) })
  await createWorker({ app, broker, callbacks, burst: true }).run()
  expect(await verified.promise).toMatchObject({ type: 'job.succeeded', data: { id: 'näme "1"', result: 2 } })
  const [callback] = await broker.get(['näme "1":onSuccess:1'])
  expect([callback?.state, callback?.result]).toEqual(['succeeded', '{"status":204}'])
})

test('what is private is refused before anything is sent, by its address or by what its name resolves to', async () => {
  let requests = 0
  const port = await serve((_request, response) => {
    requests++
    response.end()
  })
  const send = (host: string, ...addresses: readonly string[]) =>
    nameOf(hostFetch({ resolve: resolver(...addresses).resolve })(new Request(`http://${host}:${port}/`)))
  expect(await send('127.0.0.1')).toBe('AddressRefused')
  expect(await send('hooks.example', '127.0.0.1')).toBe('AddressRefused')
  expect(await send('hooks.example', '169.254.169.254')).toBe('AddressRefused')
  expect(await send('hooks.example', '::ffff:127.0.0.1')).toBe('AddressRefused')
  expect(await send('hooks.example', '::1')).toBe('AddressRefused')
  // Whichever of them would be taken.
  expect(await send('hooks.example', '93.184.215.14', '127.0.0.1')).toBe('AddressRefused')
  expect(requests).toBe(0)
})

test('the address that was looked at is the one that is connected to: a name is resolved once', async () => {
  const port = await serve((request, response) => response.writeHead(200).end(request.headers.host))
  const { asked, resolve } = resolver('127.0.0.1')
  const fetch = hostFetch({ resolve, allowHosts: ['hooks.example'] })
  expect((await fetch(new Request(`http://hooks.example:${port}/`))).status).toBe(200)
  expect(asked).toEqual(['hooks.example'])
})

test('a name that nobody knows is an error like any other', async () => {
  const resolve: Resolve = (_hostname, _options, done) => done(new Error('no such name'), [])
  expect(await nameOf(hostFetch({ resolve })(new Request('https://nowhere.example/')))).toBe('Error')
})

test('method, headers and body arrive; of the answer come status and Retry-After', async () => {
  const seen = Promise.withResolvers<unknown>()
  const port = await serve(async (request, response) => {
    const { method, url, headers } = request
    seen.resolve([method, url, headers['x-one'], headers['content-length'], await bodyOf(request)])
    response.writeHead(503, { 'Retry-After': '7', 'X-More': 'more' }).end('busy')
  })
  const fetch = hostFetch({ allowHosts: ['127.0.0.1'] })
  const init = { method: 'POST', headers: { 'X-One': '1' }, body: 'é' }
  const response = await fetch(new Request(`http://127.0.0.1:${port}/a?b=c`, init))
  expect([response.status, [...response.headers]]).toEqual([503, [['retry-after', '7']]])
  expect(await seen.promise).toEqual(['POST', '/a?b=c', '1', '2', 'é'])
})

test('a redirect is not followed, and an answer that never ends is not read', async () => {
  const closed = Promise.withResolvers<void>()
  const port = await serve((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { Location: '/endless' }).end()
    else {
      response.on('close', closed.resolve)
      response.writeHead(200)
      response.write('x'.repeat(1_000))
    }
  })
  const fetch = hostFetch({ allowHosts: ['127.0.0.1'] })
  expect((await fetch(new Request(`http://127.0.0.1:${port}/moved`, { redirect: 'manual' }))).status).toBe(302)
  expect((await fetch(new Request(`http://127.0.0.1:${port}/endless`))).status).toBe(200)
  await closed.promise
})

test('a request that is aborted ends, also where nobody answers', async () => {
  const arrived = Promise.withResolvers<void>()
  const port = await serve(() => arrived.resolve())
  const late = new AbortController()
  const fetch = hostFetch({ allowHosts: ['127.0.0.1'] })
  const sent = nameOf(fetch(new Request(`http://127.0.0.1:${port}/`, { signal: late.signal })))
  await arrived.promise
  late.abort()
  expect(await sent).toBe('AbortError')
})
