import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { spawn } from 'bun'
import { choose } from '../../cli/init/choose.ts'
import { toName } from '../../cli/init/project.ts'
import { createFolder, type Folder, ROOT } from './support.ts'

const PROJECTS = [
  ['cloudflare', 'redis'],
  ['node', 'redis'],
  ['node', 'sqlite'],
  ['bun', 'redis'],
  ['bun', 'sqlite'],
  ['deno', 'redis'],
  ['deno', 'sqlite'],
  ['vercel', 'redis'],
  ['netlify', 'redis'],
] as const

/** Makes a project in a folder of the checkout; resolves with its files. */
async function init(folder: Folder, ...args: readonly string[]): Promise<Record<string, string>> {
  const { stdout, stderr, exitCode } = await folder.tq(['init', 'My App', '--json', ...args])
  if (exitCode !== 0) throw new Error(stderr)
  const { files } = JSON.parse(stdout) as { files: string[] }
  const texts = files.map(async (file) => [file, await textOf(folder, `My App/${file}`)])
  return Object.fromEntries(await Promise.all(texts))
}

function textOf(folder: Folder, file: string): Promise<string> {
  return Bun.file(join(folder.path, file)).text()
}

/** What the compiler has to say of the project's own files, by its own settings, where it has some. */
async function complaints(folder: Folder, files: Readonly<Record<string, string>>): Promise<string[]> {
  const path = join(folder.path, 'My App')
  const { compilerOptions } = await Bun.file(join(ROOT, 'tsconfig.json')).json()
  const sources = Object.entries(compilerOptions.paths as Record<string, [string]>)
  const paths = Object.fromEntries(sources.map(([name, [file]]) => [name, [join(ROOT, file)]]))
  const config = files['tsconfig.json'] ? './tsconfig.json' : join(ROOT, 'tsconfig.json')
  await Bun.write(join(path, 'deno.d.ts'), 'declare const Deno: { env: { get(name: string): string | undefined } }')
  const include = Object.keys(files).filter((file) => /\.m?ts$/.test(file))
  const test = { extends: config, compilerOptions: { paths }, include: [...include, 'deno.d.ts'] }
  await Bun.write(join(path, 'tsconfig.test.json'), JSON.stringify(test))
  const compiler = [process.execPath, join(ROOT, 'node_modules/typescript/lib/tsc.js'), '-p', 'tsconfig.test.json']
  const child = spawn(compiler, { cwd: path, stdout: 'pipe' })
  const lines = (await new Response(child.stdout).text()).split('\n')
  return lines.filter((line) => line !== '' && !line.startsWith('..') && !line.startsWith(' '))
}

describe.each(PROJECTS)('tq init --runtime %s --broker %s', (runtime, broker) => {
  const make = (folder: Folder) => init(folder, '--runtime', runtime, '--broker', broker)

  test('writes files that parse', async () => {
    await using folder = await createFolder()
    const files = await make(folder)
    expect(Object.keys(files)).toContain('tq.config.ts')
    for (const [file, text] of Object.entries(files)) {
      if (file.endsWith('.json')) expect(JSON.parse(text)).toBeObject()
      if (file.endsWith('.toml')) expect(Bun.TOML.parse(text)).toBeObject()
      expect([file, text.endsWith('\n'), /undefined|\[object/.test(text)]).toEqual([file, true, false])
    }
  })

  test('names the package that npm has, and what starts tq itself', async () => {
    await using folder = await createFolder()
    const files = await make(folder)
    const somebodyElses = /\b(?:npx|bunx|npm exec|npm:)(?: -\S+)* ?tq(?![\w-])/
    expect(Object.keys(files).filter((file) => somebodyElses.test(files[file] ?? ''))).toEqual([])
    const supervised = ['deploy/tq@.service', 'deploy/supervisord.conf', 'Dockerfile'].map((file) => files[file] ?? '')
    const commands = supervised.flatMap((text) => text.match(/^(?:ExecStart=|command=|ENTRYPOINT ).*/gm) ?? [])
    expect(commands.filter((line) => /npx|npm run|bunx/.test(line))).toEqual([])
    expect(commands.length).toBe(['node', 'bun', 'deno'].includes(runtime) ? 4 : 0)
  })
})

test.each(['cloudflare', 'node', 'bun', 'deno', 'vercel', 'netlify'])(
  'the TypeScript for %s compiles',
  async (runtime) => {
    await using folder = await createFolder()
    const files = await init(folder, '--runtime', runtime, '--broker', 'redis')
    expect(await complaints(folder, files)).toEqual([])
  },
  60_000,
)

test('on Vercel every method of the API has its function, and there and on Netlify every path leads to it', async () => {
  await using folder = await createFolder()
  const vercel = await init(folder, '--runtime', 'vercel')
  const methods = [...(vercel['api/index.ts'] ?? '').matchAll(/^export const (\w+) = fetch$/gm)].map(([, name]) => name)
  expect(methods).toEqual(['GET', 'POST', 'PUT', 'DELETE'])
  const { rewrites } = JSON.parse(vercel['vercel.json'] ?? '') as { rewrites: { source: string }[] }
  expect(rewrites.map(({ source }) => source)).toEqual(['/v1/(.*)', '/healthz', '/readyz'])
  await using other = await createFolder()
  const netlify = await init(other, '--runtime', 'netlify')
  expect(netlify['netlify/functions/tq.mts']).toInclude("path: ['/v1/*', '/healthz', '/readyz']")
})

test('a wrong type in an app is seen where the templates are compiled', async () => {
  await using folder = await createFolder()
  const files = await init(folder, '--runtime', 'node', '--broker', 'sqlite')
  const app = (files['tq.config.ts'] ?? '').replace("{ name: 'world' }", '{ name: 7 }')
  await folder.write('My App/tq.config.ts', app)
  expect((await complaints(folder, files)).join()).toContain('tq.config.ts')
}, 60_000)

test('its app runs as it was written', async () => {
  await using folder = await createFolder()
  const files = await init(folder, '--runtime', 'node', '--broker', 'sqlite')
  await folder.write('tq.config.ts', files['tq.config.ts'] ?? '')
  const id = (await folder.tq(['enqueue', 'greet', '{"name":"Ada"}'])).stdout.trim()
  await folder.tq(['work', '--burst'])
  expect((await folder.tq(['result', id])).stdout).toBe('"Hello, Ada"\n')
})

test('its dependencies are those that this version of tq is tested with', async () => {
  await using folder = await createFolder()
  const files = await init(folder, '--runtime', 'cloudflare')
  const { dependencies, devDependencies } = JSON.parse(files['package.json'] ?? '')
  const own = await Bun.file(join(ROOT, 'package.json')).json()
  const runtimes = await Bun.file(join(ROOT, 'tests/runtimes/package.json')).json()
  expect(dependencies).toEqual({ 'tq-edge': own.version, valibot: own.dependencies.valibot })
  expect(devDependencies).toEqual({
    typescript: `^${own.devDependencies.typescript}`,
    wrangler: `^${runtimes.dependencies.wrangler}`,
  })
})

test('nothing is overwritten: what is there is named, and nothing is written beside it', async () => {
  await using folder = await createFolder()
  await folder.write('app/package.json', 'mine')
  await folder.write('app/README.md', 'mine')
  const args = ['init', 'app', '--runtime', 'node', '--broker', 'sqlite']
  const { stderr, exitCode } = await folder.tq(args)
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('got package.json, README.md: name an empty folder')])
  expect(await textOf(folder, 'app/package.json')).toBe('mine')
  expect(await Bun.file(join(folder.path, 'app/tq.config.ts')).exists()).toBe(false)
  expect((await folder.tq([...args, '--force'])).exitCode).toBe(0)
  expect(await textOf(folder, 'app/package.json')).toContain('tq-edge')
})

test('files that are none of ours do not stand in the way', async () => {
  await using folder = await createFolder()
  await folder.write('LICENSE', 'mine')
  expect((await folder.tq(['init', '--runtime', 'node', '--broker', 'redis'])).exitCode).toBe(0)
})

test.each([
  [['--runtime', 'cloudflare', '--broker', 'sqlite'], 'pass --broker redis, or --runtime node'],
  [['--runtime', 'vercel', '--broker', 'sqlite'], 'expected a broker that vercel can use, got sqlite'],
  [['--runtime', 'cloudfare'], 'did you mean cloudflare?'],
  [['--runtime', 'node', '--broker', 'postgres'], 'expected --broker to be one of redis, sqlite'],
  [['--runtime', 'node'], 'expected --broker, got none: one of redis, sqlite'],
  [[], 'expected --runtime, got none: one of cloudflare'],
  [['file', '--runtime', 'cloudflare'], 'to be a folder, got a file'],
])('%j is exit code 2, says what to pass, and writes nothing', async (args, hint) => {
  await using folder = await createFolder()
  await folder.write('file', '')
  const { stderr, exitCode } = await folder.tq(['init', ...args])
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(hint)])
  expect(await Bun.file(join(folder.path, 'tq.config.ts')).exists()).toBe(false)
})

test.each([
  ['my-app', 'my-app'],
  ['My App!', 'my-app'],
  ['_', 'tq-app'],
  ['ünïcode', 'n-code'],
])('a folder %s gives the name %s', (folder, name) => {
  expect(toName(folder)).toBe(name)
})

function createTerminal(answers?: string) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  if (answers === undefined) input.end()
  else input.write(answers)
  let shown = ''
  output.on('data', (chunk) => {
    shown += chunk
  })
  return { input, output, shown: () => shown }
}

test('a question is put again until the answer is one of its choices', async () => {
  const terminal = createTerminal('nodee\nbun\n')
  expect(await choose('where?', ['node', 'bun'], terminal)).toBe('bun')
  expect(terminal.shown()).toContain('got "nodee": did you mean node?')
})

test('no answer is the first choice, and the end of the input is none', async () => {
  expect(await choose('where?', ['node', 'bun'], createTerminal('\n'))).toBe('node')
  const ended = choose('where?', ['node', 'bun'], createTerminal())
  await expect(ended).rejects.toThrow('expected an answer to "where?", got none')
})
