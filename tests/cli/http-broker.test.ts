/** A worker that has nothing but the address of a server and a token. */
import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createFolder, type Folder, GREETER } from './support.ts'

const TOKEN = 'a-token-for-tests'

interface Given {
  readonly server: Folder
  readonly elsewhere: Folder
  readonly url: string
}

/** A server in one folder; the app's code in the other. */
async function apart(more: readonly string[], use: (given: Given) => Promise<void>): Promise<void> {
  await using server = await createFolder()
  await using elsewhere = await createFolder()
  await elsewhere.write('tq.config.ts', GREETER)
  const running = server.start(['serve', '--port', '0', '--token', TOKEN, ...more])
  const url = /http:\S+/.exec(await running.line('listening on'))?.[0] ?? ''
  await use({ server, elsewhere, url })
}

const env = { TQ_BROKER_TOKEN: TOKEN }

test('tq work runs the jobs of a server elsewhere, and keeps nothing here', () =>
  apart([], async ({ server, elsewhere, url }) => {
    await server.tq(['enqueue', 'greet', '{"name":"Ada"}', '--id', 'a'])
    await server.tq(['enqueue', 'fail', '--id', 'b'])
    const worked = await elsewhere.tq(['work', '--broker', url, '--burst'], { env })
    expect([worked.exitCode, worked.stdout + worked.stderr]).toEqual([0, expect.stringContaining('1 failed')])
    expect((await server.tq(['result', 'a'])).stdout).toContain('Hello, Ada')
    expect((await server.tq(['jobs', '--state', 'failed', '--json'])).stdout).toContain('as told')
    expect(existsSync(join(elsewhere.path, '.tq'))).toBe(false)
  }))

test('with --broker-routes on the server, schedules are fired from elsewhere as well', () =>
  apart(['--broker-routes'], async ({ server, elsewhere, url }) => {
    const working = elsewhere.start(['work', '--broker', url, '--beat', '--json'], { env })
    await working.line('job.succeeded')
    working.signal('SIGTERM')
    expect((await working.exit).exitCode).toBe(0)
    expect((await server.tq(['schedules'])).stdout).toContain('greetings')
  }))

test('a token that the server does not know is told of, and not printed', () =>
  apart([], async ({ elsewhere, url }) => {
    const working = elsewhere.start(['work', '--broker', url], { env: { TQ_BROKER_TOKEN: 'another-token' } })
    await working.line('check TQ_BROKER_TOKEN')
    working.signal('SIGTERM')
    const { exitCode, stdout, stderr } = await working.exit
    expect([exitCode, stdout + stderr]).toEqual([0, expect.not.stringContaining('another-token')])
  }))

test.each([
  [['--broker', 'https://tq.example', '--db', 'a.db'], 'got both'],
  [['--broker', 'tq.example'], 'the address of a tq server'],
])('%j is exit code 2, and says what to change', async (flags, hint) => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const { exitCode, stderr } = await folder.tq(['work', ...flags], { env })
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(hint)])
})
