import { expect, test } from 'bun:test'
import { createFolder } from './support.ts'

/** An app that keeps what is large in files beside it. */
const KEEPER = `
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type Blobs, defineApp, defineTask } from 'tq-edge'

const folder = new URL('kept/', import.meta.url)
const blobs: Blobs = {
  put(key, text) {
    mkdirSync(new URL('.', new URL(key, folder)), { recursive: true })
    writeFileSync(new URL(key, folder), text)
  },
  get: (key) => readFileSync(new URL(key, folder), 'utf8'),
}

export default defineApp({ blobs, tasks: [defineTask({ name: 'twice', run: (text) => \`\${text}\${text}\` })] })
`

test('what is too large for the broker goes by the blobs of the app, from enqueue to result', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', KEEPER)
  const half = 'x'.repeat(1_100_000)
  const enqueued = await folder.tq(['enqueue', 'twice', '-', '--id', 'a'], { stdin: JSON.stringify(half) })
  expect(enqueued).toEqual({ stdout: 'a\n', stderr: '', exitCode: 0 })
  expect((await folder.tq(['work', '--burst'])).stdout).toMatch(/succeeded +twice +a +in .* blob:result\//)

  const { stdout } = await folder.tq(['result', 'a'])
  expect(stdout.length).toBe(2 * half.length + 3)
  expect((await folder.tq(['jobs', 'show', 'a'])).stdout).toMatch(
    /^result +\{"blob":"result\/[0-9a-f]{64}","bytes":2200002\}$/m,
  )
  const whole = JSON.parse((await folder.tq(['result', 'a', '--json'])).stdout)
  expect(whole.result).toEqual({ blob: expect.stringMatching(/^result\//), bytes: 2_200_002 })

  await folder.write('elsewhere/tq.config.ts', KEEPER.replace('{ blobs, ', '{ '))
  const lacking = await folder.tq(['result', 'a', '--app', 'elsewhere'])
  expect([lacking.exitCode, lacking.stderr]).toEqual([2, expect.stringContaining('expected an app with blobs')])
})
