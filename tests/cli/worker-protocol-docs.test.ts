/** The workers of docs/worker-protocol.md run as they are, against `tq serve`. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { spawn } from 'bun'
import { createFolder, type Folder, ROOT } from './support.ts'

const TOKEN = 'a-token-for-tests'

async function programOf(language: string): Promise<string> {
  const page = await Bun.file(join(ROOT, 'docs/worker-protocol.md')).text()
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? ''
}

interface Tool {
  readonly language: string
  /** What has to be installed. */
  readonly needs: readonly string[]
  readonly command: readonly string[]
}

const TOOLS: readonly Tool[] = [
  { language: 'python', needs: ['python3'], command: ['python3'] },
  { language: 'bash', needs: ['bash', 'curl', 'jq'], command: ['bash'] },
]

async function serve(folder: Folder): Promise<string> {
  const server = folder.start(['serve', '--port', '0', '--token', TOKEN])
  return /http:\S+/.exec(await server.line('listening on'))?.[0] ?? ''
}

/** Stands before a server, and loses the answer of the first call: it is done, and its caller is told nothing of it. */
function losingOne(url: string) {
  const bodies: string[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const body = await request.text()
      bodies.push(body)
      const path = new URL(request.url).pathname
      const answer = await fetch(url + path, { method: request.method, headers: request.headers, body })
      return bodies.length === 1 ? new Response('<html>bad gateway</html>', { status: 502 }) : answer
    },
  })
  return { url: server.url.origin, bodies, [Symbol.asyncDispose]: () => server.stop(true) }
}

async function work(folder: Folder, { language, command }: Tool, url: string, token = TOKEN) {
  await folder.write('worker', await programOf(language))
  const env = { ...process.env, TQ: url, TQ_TOKEN: token }
  const child = spawn([...command, 'worker', '--burst'], { cwd: folder.path, env, stdout: 'pipe', stderr: 'pipe' })
  const stderr = await new Response(child.stderr).text()
  return { exitCode: await child.exited, stderr }
}

for (const tool of TOOLS) {
  const missing = tool.needs.filter((name) => Bun.which(name) === null)
  const name = `the worker in ${tool.language} runs what it knows, and leaves the rest to others`
  const skipped = missing.length > 0 ? ` (skipped: there is no ${missing.join(', ')} here)` : ''

  test.skipIf(missing.length > 0)(`${name}${skipped}`, async () => {
    await using folder = await createFolder()
    const url = await serve(folder)
    const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' }
    const enqueue = (task: string, id: string, input: unknown) =>
      fetch(`${url}/v1/tasks/${task}?id=${id}`, { method: 'POST', headers, body: JSON.stringify(input) })
    const read = async (id: string) => (await fetch(`${url}/v1/jobs/${id}`, { headers })).json()
    await enqueue('greet', 'a', { name: 'Ada "Countess"\nå' })
    await enqueue('greet', 'b', { name: 'Edsger' })
    await enqueue('greet', 'wrong', 5)
    await enqueue('another', 'unknown', {})

    const refused = await work(folder, tool, url, 'another-token')
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('401')])
    expect((await work(folder, tool, url)).exitCode).toBe(0)
    expect(await read('a')).toMatchObject({ state: 'succeeded', result: 'Hello, Ada "Countess"\nå', attempts: 1 })
    expect(await read('b')).toMatchObject({ state: 'succeeded', result: 'Hello, Edsger' })
    expect(await read('wrong')).toMatchObject({
      state: 'retrying',
      attempts: 1,
      error: { message: expect.any(String) },
    })
    expect(await read('unknown')).toMatchObject({ state: 'scheduled', attempts: 0 })
  })

  test.skipIf(missing.length > 0)(
    `the worker in ${tool.language} sends again what was not answered${skipped}`,
    async () => {
      await using folder = await createFolder()
      await using between = losingOne(await serve(folder))
      await folder.tq(['enqueue', 'greet', '{"name":"Ada"}', '--id', 'a'])
      expect((await work(folder, tool, between.url)).exitCode).toBe(0)
      expect(between.bodies[1]).toBe(between.bodies[0] as string)
      const [job] = JSON.parse((await folder.tq(['jobs', '--json'])).stdout).jobs
      expect(job).toMatchObject({ id: 'a', state: 'succeeded', attempts: 1, lost: 0 })
    },
  )

  test(`the worker in ${tool.language} has 40 lines at most`, async () => {
    const lines = (await programOf(tool.language)).split('\n').filter((line) => line.trim() !== '')
    expect(lines.length).toBeGreaterThan(20)
    expect(lines.length).toBeLessThanOrEqual(40)
  })
}
