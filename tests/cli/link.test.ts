import { expect, test } from 'bun:test'
import { createFolder, GREETER } from './support.ts'

const env = { TQ_LINK_SECRET: 'a-long-random-secret' }

test('a link that tq link has made enqueues a job at tq serve, and another one reads it', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  // The secret is being replaced: links are made with the new one already.
  const rotating = { TQ_LINK_SECRET: 'the-old-long-secret, a-long-random-secret' }
  const server = folder.start(['serve', '--port', '0', '--token', 'a-token'], { env: rotating })
  const [url = ''] = /http:\S+/.exec(await server.line('listening on')) ?? []
  const make = async (...args: string[]) =>
    (await folder.tq(['link', ...args, '--expires', '1h', '--url', url], { env })).stdout.trim()

  const enqueue = await make('greet', '{"name":"Ada"}', '--id', 'once')
  expect(enqueue).toStartWith(`${url}/v1/links?link=`)
  expect((await fetch(enqueue)).status).toBe(403)
  expect(await (await fetch(enqueue, { method: 'POST' })).json()).toEqual({ id: 'once', state: 'queued' })
  const read = await make('--job', 'once')
  expect(await (await fetch(read)).json()).toMatchObject({ id: 'once', task: 'greet', input: { name: 'Ada' } })

  server.signal('SIGTERM')
  const { stdout, stderr } = await server.exit
  expect(stdout + stderr).not.toContain(enqueue.slice(-64))
})

test('with --json it says until when', async () => {
  await using folder = await createFolder()
  const { stdout } = await folder.tq(['link', 'greet', '--expires', '3d', '--max-bytes', '10', '--json'], { env })
  expect(JSON.parse(stdout)).toEqual({
    link: expect.stringMatching(/^http:\/\/127\.0\.0\.1:8787\/v1\/links\?link=[\w-]+\.[0-9a-f]{64}$/),
    expiresAtMs: expect.any(Number),
  })
})

test.each([
  [['greet', '--expires', '1h'], {}, 'expected TQ_LINK_SECRET'],
  [['greet', '--expires', '1h'], { TQ_LINK_SECRET: 'short' }, 'a secret of 16 characters'],
  [['--expires', '1h'], env, 'expected a task, or --job'],
  [['greet', '--job', 'a', '--expires', '1h'], env, 'expected a task, or --job'],
  [['--job', 'a', '--id', 'b', '--expires', '1h'], env, 'expected --job without id'],
  [['greet'], env, 'expires'],
  [['greet', '--expires', 'friday'], env, 'such as 12h or 30d'],
  [['greet', '{', '--expires', '1h'], env, 'expected the input to be JSON'],
  [['greet', '--expires', '1h', '--url', 'tq.example'], env, 'expected url to be an address'],
])('tq link %j is exit code 2, and says what to do', async (args, variables, hint) => {
  await using folder = await createFolder()
  const { stdout, stderr, exitCode } = await folder.tq(['link', ...args], { env: variables as Record<string, string> })
  expect(stderr).toContain(hint)
  expect([stdout, exitCode]).toEqual(['', 2])
})
