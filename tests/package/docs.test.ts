import { afterAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Glob, spawn } from 'bun'
import { ROOT } from './entries.ts'

const FOLDER = join(ROOT, `tests/.tmp-docs-${process.pid}`)
mkdirSync(FOLDER, { recursive: true })
afterAll(() => rmSync(FOLDER, { recursive: true }))

const PATTERNS = ['*.md', 'docs/*.md', 'examples/*/README.md']
const pages = PATTERNS.flatMap((pattern) => [...new Glob(pattern).scanSync(ROOT)]).sort()
const textOf = (page: string) => Bun.file(join(ROOT, page)).text()

/** Each block as the file that its first line says it is, or one that is named for its page and line; the README's first is the app. */
async function writeBlocks(): Promise<number> {
  let count = 0
  for (const page of pages) {
    const text = await textOf(page)
    for (const { 1: code = '', index } of text.matchAll(/```ts\n([\s\S]*?)```/g)) {
      const line = text.slice(0, index).split('\n').length
      const [, file = `${basename(page, '.md')}-${line}.ts`] = /^\/\/ ([^\s,:]+\.m?ts)\b/.exec(code) ?? []
      await Bun.write(join(FOLDER, file), code)
      count++
    }
  }
  return count
}

test('every TypeScript block of the README and the guide passes the compiler', async () => {
  expect(await writeBlocks()).toBeGreaterThanOrEqual(10)
  const compilerOptions = { noUnusedLocals: false, moduleDetection: 'force' }
  const config = { extends: '../../tsconfig.json', compilerOptions, include: ['**/*'] }
  await Bun.write(join(FOLDER, 'tsconfig.json'), JSON.stringify(config))
  const child = spawn([process.execPath, join(ROOT, 'node_modules/typescript/lib/tsc.js'), '-p', FOLDER], {
    cwd: FOLDER,
    stdout: 'pipe',
  })
  const lines = (await new Response(child.stdout).text()).split('\n')
  // What is wrong in the sources themselves, the type check of the whole says.
  expect(lines.filter((line) => line !== '' && !line.startsWith('..') && !line.startsWith(' '))).toEqual([])
}, 60_000)

test('no page and no command tells to run `tq` by npx: that package is somebody else’s', async () => {
  const files = [...pages, ...new Glob('{src,scheduler,adapters,cli,examples}/**/*.ts').scanSync(ROOT)]
  const texts = await Promise.all(files.map(async (file) => ({ file, text: await textOf(file) })))
  const wrong = /\b(?:npx|bunx|npm exec|npm:)(?: -\S+)* ?tq(?![\w-])/
  expect(texts.filter(({ text }) => wrong.test(text)).map(({ file }) => file)).toEqual([])
  expect(['npx tq work', 'bunx --bun tq', 'deno run -A npm:tq'].every((text) => wrong.test(text))).toBe(true)
})

test.each(pages)('the links of %s lead to files that are there', async (page) => {
  const links = [...(await textOf(page)).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link)
  const files = links.filter((link) => !/^\w+:/.test(link))
  expect(files.filter((link) => !existsSync(join(ROOT, dirname(page), link)))).toEqual([])
})

test('docs/runtimes.md names the versions that the tests install', async () => {
  const { packages } = await Bun.file(join(ROOT, 'tests/runtimes/package-lock.json')).json()
  const versions = ['deno', 'node20', 'node22', 'node24', 'node26', 'workerd'].map(
    (name) => packages[`node_modules/${name}`].version,
  )
  const page = await textOf('docs/runtimes.md')
  expect([...versions, Bun.version].filter((version) => !page.includes(version))).toEqual([])
})
