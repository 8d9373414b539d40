import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'
import { ROOT } from './entries.ts'

interface Example {
  readonly where: string
  readonly code: string
}

const FOLDER = join(ROOT, `tests/.tmp-examples-${process.pid}`)
mkdirSync(FOLDER, { recursive: true })
afterAll(() => rmSync(FOLDER, { recursive: true }))

/** Code blocks of doc comments that say what they print. */
async function examples(): Promise<Example[]> {
  const found: Example[] = []
  for (const file of [...new Glob('{src,scheduler,adapters}/**/*.ts').scanSync(ROOT)].sort())
    for (const [comment] of (await Bun.file(join(ROOT, file)).text()).matchAll(/\/\*\*[\s\S]*?\*\//g))
      for (const [, code] of comment.replace(/^ *\* ?/gm, '').matchAll(/```ts\n([\s\S]*?)```/g))
        found.push({ where: `${file}, example ${found.length + 1}`, code: code as string })
  return found
}

/** What the comments behind `console.log(...)` say it prints. */
const expectedOf = (code: string) =>
  [...code.matchAll(/console\.log\(.*\) \/\/ (.*)/g)].map(([, text]) => text as string)

/** Runs the example as a program of its own and reads what it prints. */
async function printedBy({ code }: Example, at: number): Promise<string[]> {
  const file = join(FOLDER, `example-${at}.ts`)
  await Bun.write(file, code)
  const child = Bun.spawn([process.execPath, file], { cwd: FOLDER, stdout: 'pipe', stderr: 'pipe' })
  const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  expect(errors).toBe('')
  return out.trim().split('\n')
}

for (const [at, example] of (await examples()).entries())
  test(`${example.where} prints what it says`, async () => {
    expect(expectedOf(example.code)).not.toEqual([])
    expect((await printedBy(example, at)).join('\n')).toBe(expectedOf(example.code).join('\n'))
  })

test('every public function has an example', async () => {
  const text = (await examples()).map(({ code }) => code).join('\n')
  for (const name of [
    'defineTask',
    'defineApp',
    'createClient',
    'createWorker',
    'sqliteBroker',
    'at',
    'cron',
    'custom',
    'every',
    'rrule',
    'solar',
    'createBeat',
    'createApi',
    'httpBroker',
    'webhook',
    'exponential',
    'fixed',
    'list',
  ])
    expect(`${name}: ${new RegExp(`\\b${name}\\(`).test(text)}`).toBe(`${name}: true`)
})
