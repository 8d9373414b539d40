/** What the servers of the runtimes do with real sockets. */
import { afterAll, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificate } from '../../support/certificate.ts'
import { otherRuntimes } from '../../support/runtimes.ts'

const SERVER = join(import.meta.dir, 'listening.ts')
const runtimes = [{ name: `bun ${Bun.version}`, command: [process.execPath] }, ...otherRuntimes()]
const folder = await mkdtemp(join(tmpdir(), 'tq-tls-'))
afterAll(() => rm(folder, { recursive: true }))

const { certPath, keyPath } = await createCertificate(folder)
const tls = { cert: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') }
const TIMEOUT_MS = 30_000

interface Serving extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** The next line that it prints. */
  line(): Promise<string>
}

async function serve(command: readonly string[], options: object = {}): Promise<Serving> {
  const child = Bun.spawn([...command, SERVER, JSON.stringify(options)], { stdout: 'pipe', stderr: 'ignore' })
  const lines = child.stdout.getReader()
  const line = async () => new TextDecoder().decode((await lines.read()).value).trim()
  const url = await line()
  return {
    url,
    port: Number(new URL(url).port),
    line,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/** Sends bytes as they are, and resolves with all that comes back until the server ends the connection. */
function answerTo(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk))
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}

for (const { name, command } of runtimes) {
  test(
    `${name}: a handler learns who calls, and by which address, through proxies as well`,
    async () => {
      const headers = {
        'X-Forwarded-For': '6.6.6.6, 192.0.2.1',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': 'app.example',
      }
      const call = async ({ url }: Serving) =>
        (await fetch(`${url}/hooks?a=1`, { method: 'POST', body: 'text', headers })).json()
      await using alone = await serve(command, { trustedProxies: ['192.0.2.0/24'] })
      expect(await call(alone)).toEqual({ from: '127.0.0.1', url: `${alone.url}/hooks?a=1`, body: 'text' })
      await using behind = await serve(command, { trustedProxies: 1 })
      expect(await call(behind)).toEqual({ from: '192.0.2.1', url: 'https://app.example/hooks?a=1', body: 'text' })
    },
    TIMEOUT_MS,
  )

  test(
    `${name}: TLS is served from version 1.2 on`,
    async () => {
      await using server = await serve(command, { tls })
      const response = await fetch(`${server.url}/a`, { method: 'POST', body: 'text', tls: { ca: tls.cert } })
      expect(await response.json()).toEqual({ from: '127.0.0.1', url: `${server.url}/a`, body: 'text' })
      expect(server.url).toStartWith('https://127.0.0.1:')
      const handshake = (version: string) => {
        const given = ['-connect', `127.0.0.1:${server.port}`, '-cipher', 'ALL:@SECLEVEL=0', version]
        return Bun.spawnSync(['openssl', 's_client', ...given], { stdin: new Blob(['']) }).exitCode
      }
      expect(['-tls1', '-tls1_1', '-tls1_2', '-tls1_3'].map(handshake)).toEqual([1, 1, 0, 0])
    },
    TIMEOUT_MS,
  )

  test(
    `${name}: what a handler throws is not answered`,
    async () => {
      await using server = await serve(command)
      const response = await fetch(`${server.url}/throw`)
      expect(response.status).toBe(500)
      expect(await response.text()).not.toMatch(/secret|listening\.ts/)
    },
    TIMEOUT_MS,
  )

  test(
    `${name}: headers beyond any use, and lengths that contradict one another, are refused before a handler sees them`,
    async () => {
      await using server = await serve(command)
      const sent = (lines: readonly string[], body = '') =>
        `POST / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`
      const answers = await Promise.all(
        [
          sent(Array.from({ length: 3_000 }, (_, at) => `X-${at}: a`)),
          sent(['Content-Length: 4', 'Transfer-Encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n'),
          sent(['Content-Length: 3', 'Content-Length: 5'], 'abcde'),
          sent(['Content-Length: -3'], 'abc'),
          sent(['Content-Length: 3x'], 'abc'),
          sent(['Transfer-Encoding: xchunked'], '3\r\nabc\r\n0\r\n\r\n'),
          sent(['Transfer-Encoding : chunked', 'Content-Length: 3'], '3\r\nabc\r\n0\r\n\r\n'),
          sent(['X-Folded: a', ' b']),
          'GET / HTTP/1.1\r\nHost: [::\r\nConnection: close\r\n\r\n',
          'GET / HTTP/1.1\r\nHost: a:99999\r\nConnection: close\r\n\r\n',
        ].map((text) => answerTo(server.port, text)),
      )
      expect(answers.map((answer) => /^HTTP\/1\.1 4\d\d /.test(answer))).toEqual(Array(10).fill(true))
    },
    TIMEOUT_MS,
  )
}

for (const { name, command } of runtimes)
  test(
    `${name}: a server that closes waits for no connection whose requests have been answered`,
    async () => {
      await using server = await serve(command, { graceMs: 600_000 })
      const socket = connect({ port: server.port, host: '127.0.0.1' })
      socket.write('GET /close HTTP/1.1\r\nHost: a\r\n\r\n')
      expect(await server.line()).toBe('closed')
      socket.destroy()
    },
    TIMEOUT_MS,
  )

for (const { name, command } of runtimes.filter((runtime) => runtime.name.startsWith('node')))
  test(
    `${name}: a client that takes too long for its headers or its body gets 408, and the others their answers`,
    async () => {
      for (const [limits, sent] of [
        [{ headersMs: 300, requestMs: 60_000 }, 'POST / HTTP/1.1\r\nHost: a\r\nX-A: '],
        [{ headersMs: 300, requestMs: 600 }, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it'],
      ] as const) {
        await using server = await serve(command, limits)
        const answer = answerTo(server.port, sent)
        expect((await fetch(server.url)).status).toBe(200)
        expect(await answer).toStartWith('HTTP/1.1 408 ')
        expect((await fetch(server.url)).status).toBe(200)
      }
    },
    TIMEOUT_MS,
  )

test(
  'a body in which nothing moves is given up on Bun',
  async () => {
    await using server = await serve([process.execPath], { requestMs: 1_000 })
    const answer = answerTo(server.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it')
    expect((await fetch(server.url)).status).toBe(200)
    expect(await answer).toBe('')
  },
  TIMEOUT_MS,
)
