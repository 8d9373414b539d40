import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { entries, ROOT } from './entries.ts'

test('the names that each entry exports change only on purpose', async () => {
  const names: Record<string, string[]> = {}
  for (const [subpath, file] of Object.entries(await entries()))
    names[subpath] = Object.keys(await import(join(ROOT, file))).sort()
  expect(names).toMatchSnapshot()
})

test('tsconfig maps every entry to its source, so that tests and examples import what users import', async () => {
  const { compilerOptions } = await Bun.file(join(ROOT, 'tsconfig.json')).json()
  for (const [subpath, file] of Object.entries(await entries()))
    expect(compilerOptions.paths[subpath.replace('.', 'tq-edge')]).toEqual([`./${file}`])
})

test('jsr.json has the same entries at the same version', async () => {
  const { exports, version } = await Bun.file(join(ROOT, 'jsr.json')).json()
  expect(exports).toEqual(Object.fromEntries(Object.entries(await entries()).map(([at, file]) => [at, `./${file}`])))
  expect(version).toBe((await Bun.file(join(ROOT, 'package.json')).json()).version)
})
