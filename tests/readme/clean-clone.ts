/**
 * The README's two commands in a clean clone, as a new user runs them: `npm install && npm start`, then
 * `npm install && npm test`. Needs the registry, so it is no part of the default test run; `npm run test:clone` runs it, and with
 * `-- --start` the first of them alone.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshEnvironment } from '../support/fresh-environment.ts'

const ROOT = join(import.meta.dir, '../..')
const clone = mkdtempSync(join(tmpdir(), 'tq-clean-clone-'))
const env = freshEnvironment()

async function run(...command: string[]): Promise<void> {
  console.log(`$ ${command.join(' ')}`)
  const child = Bun.spawn(command, { cwd: clone, env, stdout: 'inherit', stderr: 'inherit' })
  if ((await child.exited) !== 0)
    throw new Error(`expected "${command.join(' ')}" to pass, got exit code ${child.exitCode}`)
}

/** Starts the example, sends it the push that its start prints, and reads the result. */
async function tryStart(): Promise<void> {
  console.log('$ npm start')
  // In a process group of its own: Ctrl-C in a terminal reaches all of it, and so does ours.
  const child = Bun.spawn(['npm', 'start'], { cwd: clone, env, stdout: 'pipe', stderr: 'inherit', detached: true })
  try {
    const url = await printedUrl(child.stdout)
    const body = Bun.file(join(clone, 'examples/push-digest/push.json'))
    const headers = { 'content-type': 'application/json' }
    const accepted = await fetch(`${url}/v1/tasks/push.received`, { method: 'POST', headers, body })
    if (accepted.status !== 202) throw new Error(`expected status 202, got ${accepted.status}`)
    const result = await fetch(`${url}${accepted.headers.get('Location')}/result?wait=30`)
    const { state } = (await result.json()) as { state: string }
    if (state !== 'succeeded') throw new Error(`expected the push to be digested, got ${state}`)
  } finally {
    process.kill(-child.pid, 'SIGINT')
    await child.exited
  }
}

/** The address in the `curl` that the start prints. Reads on to the end: a closed pipe would end the program. */
function printedUrl(output: ReadableStream<Uint8Array>): Promise<string> {
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder()
    let text = ''
    const readAll = async () => {
      for await (const chunk of output) {
        text += decoder.decode(chunk, { stream: true })
        const url = /https?:\/\/(?:localhost|127\.0\.0\.1):\d+/.exec(text)?.[0]
        if (url && text.includes('/v1/tasks/push.received')) resolve(url)
      }
    }
    readAll().then(() => reject(new Error(`expected npm start to print a curl, got:\n${text}`)), reject)
  })
}

try {
  await run('git', 'clone', '--quiet', ROOT, clone)
  await run('npm', 'install', '--no-audit', '--no-fund')
  await tryStart()
  const startAlone = process.argv.includes('--start')
  if (!startAlone) await run('npm', 'test')
  console.log(`${startAlone ? 1 : 2} passed, 0 failed`)
} finally {
  rmSync(clone, { recursive: true, force: true })
}
