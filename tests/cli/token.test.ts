import { expect, test } from 'bun:test'
import { chmod, chown, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { followTokens, readTokens, writeTokens } from '../../cli/token-file.ts'
import { checkRecord } from '../../src/http/tokens.ts'
import { createFolder, type Folder, GREETER } from './support.ts'

const FILE = ['--tokens', 'tokens.json']

async function create(folder: Folder, name: string, ...more: readonly string[]): Promise<string> {
  const { stdout } = await folder.tq(['token', 'create', '--name', name, '--scope', 'enqueue:greet', ...more])
  return stdout.trim()
}

test('a token is printed once, and its record alone goes into the file', async () => {
  await using folder = await createFolder()
  const made = await folder.tq(['token', 'create', '--name=ci', '--scope=enqueue:email.*', '--scope', 'read', ...FILE])
  expect(made.stdout).toMatch(/^tq_[\w-]{43}\n$/)
  expect(made.stderr).toBe('ci (enqueue:email.* read) added to tokens.json\n')
  const path = join(folder.path, 'tokens.json')
  const text = await Bun.file(path).text()
  expect(JSON.parse(text)).toEqual([
    { name: 'ci', scopes: ['enqueue:email.*', 'read'], hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ])
  expect(text).not.toContain(made.stdout.trim().slice(3))
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('without a file the record is a text for TQ_TOKENS, and serve takes it', async () => {
  await using folder = await createFolder()
  const { token, record, text } = JSON.parse(await create(folder, 'ci', '--expires', '30d', '--json'))
  expect(text).toBe(`ci:enqueue:greet:${record.hash}:${record.expiresAtMs}`)
  const server = folder.start(['serve', '--port=0', '--json'], { env: { TQ_TOKENS: text } })
  const { url } = JSON.parse(await server.line('http.listening'))
  const headers = { authorization: `Bearer ${token}` }
  expect((await fetch(`${url}/v1/tasks/greet`, { method: 'POST', headers })).status).toBe(202)
  expect((await fetch(`${url}/v1/jobs`, { headers })).status).toBe(403)
})

test('tokens are listed and revoked by name, and a name is of one token', async () => {
  await using folder = await createFolder()
  await create(folder, 'ci', ...FILE)
  await create(folder, 'app', '--expires', '30d', ...FILE)
  const again = await folder.tq(['token', 'create', '--name', 'ci', '--scope', 'read', ...FILE])
  expect([again.exitCode, again.stdout]).toEqual([2, ''])
  expect(again.stderr).toContain('a --name that no other token in tokens.json has')
  const listed = await folder.tq(['token', 'list', ...FILE])
  expect(listed.stdout).toMatch(/^NAME +SCOPES +EXPIRES *\nci +enqueue:greet +-\napp +enqueue:greet +\d{4}-\S+Z\n$/)
  expect(await folder.tq(['token', 'revoke', 'ci', ...FILE])).toMatchObject({ stdout: 'ci  revoked\n', exitCode: 0 })
  expect(await folder.tq(['token', 'revoke', 'ci', ...FILE])).toMatchObject({ stdout: 'ci  unknown\n', exitCode: 1 })
  expect(readTokens(join(folder.path, 'tokens.json'), checkRecord).map(({ name }) => name)).toEqual(['app'])
})

test('serve takes the tokens of a file beside its others', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const token = await create(folder, 'app', ...FILE)
  const server = folder.start(['serve', '--port', '0', '--token', 'another', ...FILE])
  const [url] = /http:\S+/.exec(await server.line('listening on')) ?? []
  const post = (task: string, sent: string) =>
    fetch(`${url}/v1/tasks/${task}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${sent}`, 'content-type': 'application/json' },
      body: '{"name":"Ada"}',
    })
  expect((await post('greet', token)).status).toBe(202)
  expect((await post('fail', token)).status).toBe(403)
  expect((await post('fail', 'another')).status).toBe(202)
})

test.each([
  [['create', '--name', 'ci'], 'expected --scope'],
  [['create', '--name', 'ci', '--scope', 'write'], 'enqueue:<tasks>'],
  [['create', '--name', 'a:b', '--scope', 'read'], 'letters, digits'],
  [['create', '--name', 'ci', '--scope', 'read', '--expires', 'soon'], 'such as 12h or 30d'],
  [['create', '--scope', 'read'], 'name'],
  [['list'], 'expected --tokens <path>'],
  [['list', ...FILE], 'tq token create --tokens tokens.json makes one'],
  [
    ['create', '--name', 'ci', '--scope', 'read', '--tokens', 'none/tokens.json'],
    'can be written to, got none/tokens.json (ENOENT)',
  ],
  [['list', '--tokens', '.'], 'a file that can be read, got . (EISDIR)'],
  [['list', '--tokens', 'other.json'], 'other.json[0].scopes'],
  [['list', '--tokens', 'half.json'], 'a JSON array of records'],
])('tq token %j is exit code 2, and says what to do', async (args, hint) => {
  await using folder = await createFolder()
  await folder.write('other.json', `[{"hash":"${'a'.repeat(64)}"}]`)
  await folder.write('half.json', '[{"hash":')
  const { stdout, stderr, exitCode } = await folder.tq(['token', ...args])
  expect(stderr).toContain(hint)
  expect([stdout, exitCode]).toEqual(['', 2])
})

test('a change of the file counts within a second, and one that cannot be read leaves things as they were', async () => {
  await using folder = await createFolder()
  const path = join(folder.path, 'tokens.json')
  const record = (name: string) => ({ name, scopes: ['read'], hash: 'a'.repeat(64) })
  writeTokens(path, [record('ci')])
  let nowMs = 0
  const told: string[] = []
  const recordsNow = followTokens({
    path,
    check: checkRecord,
    monotonic: () => nowMs,
    onBroken: ({ message }) => told.push(message),
  })
  const namesAt = (atMs: number) => {
    nowMs = atMs
    return recordsNow().map(({ name }) => name)
  }
  const first = recordsNow()
  expect(namesAt(5_000)).toEqual(['ci'])
  expect(recordsNow()).toBe(first)

  writeTokens(path, [record('ci'), record('app')])
  expect(namesAt(5_999)).toEqual(['ci'])
  expect(namesAt(6_000)).toEqual(['ci', 'app'])

  await writeFile(path, '[{"hash":')
  expect([namesAt(7_000), namesAt(8_000)]).toEqual([
    ['ci', 'app'],
    ['ci', 'app'],
  ])
  expect(told).toEqual([expect.stringContaining('a JSON array of records of tokens, got a string of 9 characters')])

  writeTokens(path, [])
  expect(namesAt(9_000)).toEqual([])
})

test('a file that has another name is changed where it is, and stays readable to whom it was', async () => {
  await using folder = await createFolder()
  const [real, link] = [join(folder.path, 'real.json'), join(folder.path, 'link.json')]
  await writeFile(real, '[]')
  await chmod(real, 0o640)
  await symlink(real, link)
  const record = { name: 'ci', scopes: ['read'], hash: 'ab'.repeat(32) }
  writeTokens(link, [record])
  expect([readTokens(real, checkRecord), (await stat(real)).mode & 0o777]).toEqual([[record], 0o640])
})

test.skipIf(process.getuid?.() !== 0)('a file that root changes still belongs to who serves with it', async () => {
  await using folder = await createFolder()
  const path = join(folder.path, 'tokens.json')
  await create(folder, 'ci', ...FILE)
  await chown(path, 1_001, 1_002)
  await create(folder, 'app', ...FILE)
  expect(await stat(path)).toMatchObject({ uid: 1_001, gid: 1_002 })
})
