/** Bodies that end in the middle, on real sockets of every runtime: not one job comes of them, and no error of the server's. */
import { expect, test } from 'bun:test'
import { connect } from 'node:net'
import { join } from 'node:path'
import { otherRuntimes } from '../../support/runtimes.ts'

const SERVER = join(import.meta.dir, 'serving.ts')
const runtimes = [{ name: `bun ${Bun.version}`, command: [process.execPath] }, ...otherRuntimes()]
const headers = { Authorization: 'Bearer token', 'Content-Type': 'application/json' }

interface Serving extends AsyncDisposable {
  readonly url: string
  /** The next line that it prints. */
  line(): Promise<string>
}

async function serve(command: readonly string[]): Promise<Serving> {
  const child = Bun.spawn([...command, SERVER], { stdout: 'pipe', stderr: 'ignore' })
  const chunks = child.stdout.getReader()
  const decoder = new TextDecoder()
  let text = ''
  const line = async (): Promise<string> => {
    const end = text.indexOf('\n')
    if (end >= 0) {
      const found = text.slice(0, end)
      text = text.slice(end + 1)
      return found
    }
    const { value, done } = await chunks.read()
    if (done) throw new Error('expected another line, got the end of the server')
    text += decoder.decode(value, { stream: true })
    return line()
  }
  return {
    url: await line(),
    line,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/** Sends the beginning of a request, and then no more: ends its side of the connection, or is gone. */
function cutOff(url: string, lines: readonly string[], body: string, how: 'end' | 'destroy'): Promise<void> {
  const { port, host } = new URL(url)
  const head = [
    'POST /v1/jobs HTTP/1.1',
    `Host: ${host}`,
    ...Object.entries(headers).map((pair) => pair.join(': ')),
    ...lines,
  ]
  return new Promise((resolve) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1' }, () =>
      socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, () => (how === 'end' ? socket.end() : socket.destroy())),
    )
    socket.on('error', () => {}) // That it is gone is what this is about.
    socket.on('close', () => resolve())
    socket.resume()
  })
}

const WHOLE = '{"task":"anything","id":"cut"}'
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}`

const CUT: readonly [what: string, lines: readonly string[], body: string][] = [
  ['a body shorter than it says', ['Content-Length: 100'], WHOLE.slice(0, 10)],
  ['a body that is whole JSON, and shorter than it says', ['Content-Length: 31'], WHOLE],
  ['chunks without the last one', ['Transfer-Encoding: chunked'], `${chunk(WHOLE)}\r\n`],
  ['half a chunk', ['Transfer-Encoding: chunked'], chunk(WHOLE).slice(0, 12)],
]

for (const { name, command } of runtimes)
  test(`${name}: of a body that is cut no job comes, and no error of the server's`, async () => {
    await using server = await serve(command)
    for (const [what, lines, body] of CUT)
      for (const how of ['end', 'destroy'] as const) {
        await cutOff(server.url, lines, body, how)
        // Asked behind it, so that the one before has been dealt with, if it ever came to the API.
        const list = await (await fetch(`${server.url}/v1/jobs`, { headers })).json()
        expect([what, how, list.jobs]).toEqual([what, how, []])
      }
    const statuses: [status: number, reason: string][] = []
    for (let lists = 0; lists < CUT.length * 2; ) {
      const [method, status, reason] = JSON.parse(await server.line())
      if (method === 'GET') lists++
      else statuses.push([status, reason])
    }
    expect(statuses.filter(([status]) => status !== 400)).toEqual([])
    expect((await fetch(`${server.url}/v1/jobs`, { method: 'POST', headers, body: WHOLE })).status).toBe(202)
  }, 30_000)
