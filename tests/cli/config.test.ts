import { expect, test } from 'bun:test'
import { createFolder, GREETER } from './support.ts'

test.each([
  ['the app', 'tq.config.ts', `export default {\n  tasks: [\n  const\n`, 'tq.config.ts:3:3'],
  ['a file that it imports', 'lib.ts', `const fine: number = 1\nexport const x = {{\n`, 'lib.ts:2:19'],
])('a syntax error in %s says file, line and column', async (_, name, text, place) => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', `import './lib.ts'\n${GREETER}`)
  await folder.write('lib.ts', '')
  await folder.write(name, text)
  const { stderr, exitCode } = await folder.tq(['work', '--burst'])
  expect(stderr).toContain(` at ${place}`)
  expect(exitCode).toBe(2)
})

test.each([
  ['exports no app', 'export default 3', 'a number: write export default defineApp'],
  ['throws', `\nthrow new TypeError('not today')`, 'TypeError (not today) at tq.config.ts:2:'],
  ['defines two tasks of one name', GREETER.replace("name: 'fail'", "name: 'greet'"), 'DuplicateName'],
])('an app that %s is exit code 2', async (_, text, reason) => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', text)
  const { stderr, exitCode } = await folder.tq(['work', '--burst'])
  expect(stderr).toContain(reason)
  expect(exitCode).toBe(2)
})

test('the app is found in a folder above, in one that is named, and as a file of any name', async () => {
  await using folder = await createFolder()
  await folder.write('apps/tq.config.mjs', GREETER)
  await folder.write('apps/mine.js', GREETER)
  await folder.tq(['enqueue', 'greet', '{"name":"Ada"}'])
  for (const args of [['apps'], ['--app', 'apps'], ['apps/mine.js']])
    expect((await folder.tq(['work', '--burst', ...args])).exitCode).toBe(0)
  await folder.write('tq.config.js', GREETER)
  expect((await folder.tq(['work', '--burst'])).exitCode).toBe(0)
})
