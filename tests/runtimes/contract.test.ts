import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { otherRuntimes } from '../support/runtimes.ts'

const SUITE = join(import.meta.dir, '..', 'contract', 'standalone.ts')
const runtimes = otherRuntimes()

for (const { name, command } of runtimes)
  test(`the broker contract holds on ${name}`, async () => {
    const suite = Bun.spawn([...command, SUITE], { stdout: 'pipe', stderr: 'pipe' })
    const [output, errors, status] = await Promise.all([
      new Response(suite.stdout).text(),
      new Response(suite.stderr).text(),
      suite.exited,
    ])
    const { failed, passed } = /: (?<passed>\d+) passed, (?<failed>\d+) failed\n$/.exec(output)?.groups ?? {}
    expect({ errors, failed, status, output: failed === '0' ? '' : output }).toEqual({
      errors: '',
      failed: '0',
      status: 0,
      output: '',
    })
    expect(Number(passed)).toBeGreaterThan(200)
    expect(output).toStartWith(name)
  }, 120_000)

if (runtimes.length === 0)
  test.skip('the broker contract holds on Node and Deno (no Node >= 22.13 and no Deno at hand: npm install --prefix tests/runtimes)', () => {})
