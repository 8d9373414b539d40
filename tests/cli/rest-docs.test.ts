/** The commands of docs/rest.md run as they are, in order, against `tq serve` with a worker beside it. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { spawn } from 'bun'
import { createFolder, GREETER, ROOT } from './support.ts'

const TOKEN = 'a-token-for-tests'
const TQ_LINK_SECRET = 'a-secret-for-tests'
/** curl as the page has it, but for an answer that is no success, which ends the script and is told of. */
const STRICT_CURL = 'set -euo pipefail\ncurl() { command curl -sS --fail-with-body "$@"; echo; }\n'

/** The blocks of commands up to the kicks, which `tq serve` does not take. */
async function commands(): Promise<string[]> {
  const page = await Bun.file(join(ROOT, 'docs/rest.md')).text()
  const [own = ''] = page.split('## Ask an edge worker to drain')
  return [...own.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block)
}

const canRun = ['curl', 'openssl'].every((name) => Bun.which(name) !== null)

test.skipIf(!canRun)('what the reference says to type does what it says', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  await folder.tq(['beat', '--once'])
  const server = folder.start(['serve', '--port', '0', '--token', TOKEN], { env: { TQ_LINK_SECRET } })
  const [url = ''] = /http:\S+/.exec(await server.line('listening on')) ?? []
  folder.start(['work'])

  const blocks = await commands()
  const script = `${STRICT_CURL}${blocks.join('\n')}`.replace('http://127.0.0.1:8787', url)
  const env = { ...process.env, TQ_TOKEN: TOKEN, TQ_LINK_SECRET }
  const shell = spawn(['bash', '-c', script], { cwd: folder.path, env, stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr] = await Promise.all([new Response(shell.stdout).text(), new Response(shell.stderr).text()])
  expect([stderr, await shell.exited]).toEqual(['', 0])
  expect(stdout).toContain('{"id":"greet-ada","state":"scheduled"}')
  expect(stdout).toContain('{"id":"greet-linked","state":"queued"}')
  expect(stdout).toMatch(/{"id":"key-[0-9a-f]{32}","state":"queued"}/)
  expect(stdout).toContain('{"id":"greet-ada","state":"succeeded","result":"Hello, Ada"}')
  expect(stdout).toContain('{"id":"greet-edsger","outcome":"cancelled"}')
  expect(stdout).toContain('{"queue":"slow","paused":true,"revision":1}')
  expect(await Bun.file(join(folder.path, 'openapi.json')).json()).toHaveProperty(['paths', '/v1/tasks/greet'])
  expect(blocks.length).toBeGreaterThan(7)
})
