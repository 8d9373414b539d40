import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'bun'
import { createCertificate } from '../support/certificate.ts'
import { redisServer } from '../support/redis-server.ts'
import { otherRuntimes } from '../support/runtimes.ts'
import { createFolder, type Folder, GREETER, ROOT, serverAs } from './support.ts'

/** The other runtimes run what is published: built, and installed beside its dependencies. */
const runtimes = otherRuntimes()
let project: string

beforeAll(async () => {
  if (runtimes.length === 0) return
  project = await mkdtemp(join(tmpdir(), 'tq-cli-'))
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, 'tq-edge'), { recursive: true })
  for (const name of await readdir(join(ROOT, 'node_modules')))
    if (!name.startsWith('.')) await symlink(join(ROOT, 'node_modules', name), join(modules, name))
  await Bun.write(join(project, 'package.json'), '{"type":"module"}')
  await $`cp ${join(ROOT, 'package.json')} ${join(modules, 'tq-edge')}`
  await $`node ${join(ROOT, 'node_modules/typescript/lib/tsc.js')} -p ${join(ROOT, 'tsconfig.build.json')} --outDir ${join(modules, 'tq-edge/dist')} --declaration false`
    .quiet()
    .nothrow()
}, 60_000)

afterAll(async () => {
  if (project) await rm(project, { recursive: true, force: true })
})

const TIMEOUT_MS = 30_000

function folderFor(command: readonly string[]): Promise<Folder> {
  const runtime = command.filter((flag) => flag !== '--no-check' && flag !== '--no-remote')
  return createFolder([...runtime, join(project, 'node_modules/tq-edge/dist/cli/index.js')], project)
}

test.skipIf(runtimes.length > 0)('no other runtime is installed: npm install --prefix tests/runtimes', () => {})

for (const { name, command } of runtimes) {
  test(
    `${name}: a job goes over HTTP to a worker and its result comes back`,
    async () => {
      await using folder = await folderFor(command)
      await folder.write('tq.config.ts', GREETER)
      const server = folder.start(['serve', '--port', '0', '--no-auth'])
      const [url] = /http:\S+/.exec(await server.line('listening on')) ?? []
      const response = await fetch(`${url}/v1/tasks/greet?id=one`, { method: 'POST', body: '{"name":"Ada"}' })
      expect(response.status).toBe(202)
      expect((await folder.tq(['work', '--burst'])).stdout).toContain('1 succeeded')
      expect((await folder.tq(['result', 'one'])).stdout).toBe('"Hello, Ada"\n')
      server.signal('SIGTERM')
      expect((await server.exit).exitCode).toBe(0)
    },
    TIMEOUT_MS,
  )

  test(
    `${name}: serve answers over TLS, and tells callers apart behind a proxy`,
    async () => {
      await using folder = await folderFor(command)
      const { certPath, keyPath } = await createCertificate(folder.path)
      const tls = ['--tls-cert', certPath, '--tls-key', keyPath, '--trusted-proxies', '1']
      const server = folder.start(['serve', '--port', '0', '--token', 'a-token-for-tests', ...tls])
      const [url] = /https:\S+/.exec(await server.line('listening on')) ?? []
      const ca = await Bun.file(certPath).text()
      const statusFor = async (token: string, from: string) => {
        const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': from }
        return (await fetch(`${url}/v1/queues`, { headers, tls: { ca } })).status
      }
      for (let at = 0; at < 20; at++) expect(await statusFor('wrong', '203.0.113.1')).toBe(401)
      expect(await statusFor('a-token-for-tests', '203.0.113.1')).toBe(429)
      expect(await statusFor('a-token-for-tests', '203.0.113.2')).toBe(200)
      const wrong = await folder.tq(['serve', '--token', 'x', '--tls-cert', keyPath, '--tls-key', keyPath])
      expect([wrong.exitCode, wrong.stderr]).toEqual([
        2,
        expect.stringContaining('expected --tls-cert to be a certificate'),
      ])
    },
    TIMEOUT_MS,
  )

  test.skipIf(!redisServer)(
    `${name}: dev runs jobs on a redis-server of its own, which ends with it (needs redis-server on the PATH)`,
    async () => {
      await using folder = await folderFor(command)
      await folder.write('tq.config.ts', GREETER)
      const dev = folder.start(['dev', '--port', '0', '--redis'], {
        env: { PATH: `${await serverAs('redis-server', folder)}:${process.env.PATH}` },
      })
      await dev.line('UPSTASH_REDIS_REST_URL')
      await dev.line(/succeeded +greet .*"Hello, beat"/)
      dev.signal('SIGTERM')
      expect((await dev.exit).exitCode).toBe(0)
      expect(existsSync(join(folder.path, '.tq/redis/redis.sock'))).toBe(false)
    },
    TIMEOUT_MS,
  )

  test(
    `${name}: dev reloads what the app imports, and survives a broken save`,
    async () => {
      await using folder = await folderFor(command)
      await folder.write(
        'tq.config.ts',
        `import { greeting } from './lib.ts'\n${GREETER.replace('`Hello, ', 'greeting + `, ')}`,
      )
      await folder.write('lib.ts', `export const greeting: string = 'one'`)
      const dev = folder.start(['dev', '--port', '0', '--db', ':memory:'])
      await dev.line(/succeeded .*"one, beat"/)
      await folder.write('lib.ts', `export const greeting: string = (`)
      await dev.line(/syntax error .* at lib\.ts:1:/)
      await folder.write('lib.ts', `export const greeting: string = 'two'`)
      await dev.line('reloaded')
      await dev.line(/succeeded .*"two, beat"/)
      dev.signal('SIGINT')
      expect((await dev.exit).exitCode).toBe(0)
    },
    TIMEOUT_MS,
  )

  test.each(['{"type":"commonjs"}', '{}'])(
    `${name}: an app of ES modules runs beside a package.json of %s, and nothing is said about it`,
    async (text) => {
      await using folder = await folderFor(command)
      await folder.write('package.json', text)
      await folder.write(
        'tq.config.ts',
        `import { tasks } from './tasks.ts'\n${GREETER.replace('tasks: [', 'tasks: [...tasks, ')}`,
      )
      await folder.write('tasks.ts', `export const tasks: never[] = []`)
      expect(await folder.tq(['work', '--burst'])).toMatchObject({ stderr: '', exitCode: 0 })
      await folder.write('mine.js', GREETER)
      expect(await folder.tq(['work', '--burst', 'mine.js'])).toMatchObject({ stderr: '', exitCode: 0 })
    },
    TIMEOUT_MS,
  )

  test(
    `${name}: a syntax error says file, line and column; enums are no reason to fail`,
    async () => {
      await using folder = await folderFor(command)
      await folder.write(
        'tq.config.ts',
        `enum Kind { One }\nif (Kind.One !== 0) throw new Error('no enums')\n${GREETER}`,
      )
      expect((await folder.tq(['work', '--burst'])).exitCode).toBe(0)
      await folder.write('tq.config.ts', `export default {\n  tasks: [\n  const\n`)
      const typed = await folder.tq(['work', '--burst'])
      expect(typed.stderr).toContain(' at tq.config.ts:3:3')
      expect(typed.exitCode).toBe(2)
      await folder.write('plain/tq.config.mjs', `const fine = 1\nexport const x = {{\n`)
      expect((await folder.tq(['work', 'plain'])).stderr).toContain(' at plain/tq.config.mjs:2:19')
    },
    TIMEOUT_MS,
  )
}
