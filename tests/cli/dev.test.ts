import { expect, test } from 'bun:test'
import { listenNear } from '../../cli/dev/listen-near.ts'
import { createFolder, type Folder, GREETER, type Running } from './support.ts'

/** A job of this app holds until the test lets it go. */
const HELD = `
import { defineApp, defineTask } from 'tq-edge'
import { greeting } from './lib/greeting.ts'

const held = defineTask({
  name: 'held',
  run: async () => {
    await fetch(process.env.GATE ?? '')
    return greeting
  },
})

export default defineApp({ tasks: [defineTask({ name: 'greet', run: () => greeting }), held] })
export const example = { task: 'greet', input: { note: "it's one" } }
`

interface Dev extends Running {
  readonly url: string
}

async function startDev(folder: Folder, env: Record<string, string> = {}): Promise<Dev> {
  const dev = folder.start(['dev', '--port', '0', '--db', ':memory:'], { env })
  const [url = ''] = /http:\S+/.exec(await dev.line('listening on')) ?? []
  return { ...dev, url }
}

async function post(dev: Dev, task: string, id: string): Promise<number> {
  const response = await fetch(`${dev.url}/v1/tasks/${task}?id=${id}`, { method: 'POST' })
  return response.status
}

test('dev runs everything in one process and prints the curl to try', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const dev = await startDev(folder)
  expect(await dev.line('curl')).toContain(
    `curl -X POST ${dev.url}/v1/tasks/greet -H 'Content-Type: application/json' -d '{"name":"beat"}'`,
  )
  const page = await fetch(`${dev.url}/docs`)
  expect(await page.text()).toContain('/v1/tasks/greet')
  await dev.line(/fired +greetings/)
  await dev.line(/succeeded +greet .*"Hello, beat"/)
  const response = await fetch(`${dev.url}/v1/tasks/greet`, { method: 'POST', body: '{"name":"Ada"}' })
  expect(response.status).toBe(202)
  await dev.line(/enqueued +greet/)
  await dev.line(/succeeded +greet .*"Hello, Ada"/)
  dev.signal('SIGINT')
  expect((await dev.exit).exitCode).toBe(0)
})

test('dev shows the example of the app, quoted for a shell', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', HELD)
  await folder.write('lib/greeting.ts', `export const greeting: string = 'one'`)
  const dev = await startDev(folder)
  expect(await dev.line('curl')).toEndWith(
    `/v1/tasks/greet -H 'Content-Type: application/json' -d '{"note":"it'\\''s one"}'`,
  )
})

test('dev reloads on save, also of an imported file, and jobs in flight finish on the old code', async () => {
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  using server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch: () => gate.then(() => new Response()),
  })
  await using folder = await createFolder()
  await folder.write('tq.config.ts', HELD)
  await folder.write('lib/greeting.ts', `export const greeting: string = 'one'`)
  const dev = await startDev(folder, { GATE: server.url.href })
  await post(dev, 'held', 'in-flight')
  await dev.line(/started +held/)

  await folder.write('lib/greeting.ts', `export const greeting: string = 'two'`)
  expect(await dev.line('reloaded')).toContain('jobs to finish: 1')
  await post(dev, 'greet', 'after')
  await dev.line(/succeeded +greet +after .*"two"/)
  release()
  await dev.line(/succeeded +held +in-flight .*"one"/)
  const settled = await fetch(`${dev.url}/v1/jobs/in-flight/result?wait=30`)
  expect(await settled.json()).toMatchObject({ state: 'succeeded', result: 'one' })
  dev.signal('SIGINT')
  const { stdout, exitCode } = await dev.exit
  expect(stdout).not.toMatch(/released/)
  expect(exitCode).toBe(0)
})

test.each([
  ['a syntax error', `export const greeting = (`, /syntax error .*lib\/greeting\.ts:1:\d+/],
  [
    'a throw',
    `export const greeting = ''\nthrow new Error('at the top')`,
    /Error \(at the top\) at lib\/greeting\.ts:2:/,
  ],
  ['a missing module', `import './nowhere.ts'`, /nowhere\.ts/],
  ['a missing export', `export const other = 1`, /greeting/],
])('dev reports a save with %s, goes on with the old code, and takes the mended one', async (_, broken, reason) => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', HELD)
  await folder.write('lib/greeting.ts', `export const greeting: string = 'one'`)
  const dev = await startDev(folder)
  await folder.write('lib/greeting.ts', broken)
  await dev.line(reason)
  await dev.line('not reloaded')
  await post(dev, 'greet', 'meanwhile')
  await dev.line(/succeeded +greet +meanwhile .*"one"/)

  await folder.write('lib/greeting.ts', `export const greeting: string = 'mended'`)
  await dev.line('reloaded tq.config.ts')
  await post(dev, 'greet', 'after')
  await dev.line(/succeeded +greet +after .*"mended"/)
})

test('without a port asked for, the next free one is taken', async () => {
  using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const fromPort = taken.port as number
  const server = await listenNear(() => new Response('ours'), { port: undefined, fromPort })
  expect(server.port).toBeGreaterThan(fromPort)
  expect(await (await fetch(server.url)).text()).toBe('ours')
  await server.close()
})

test('dev takes no other port than the one asked for', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const { stderr, exitCode } = await folder.tq(['dev', '--port', String(taken.port)])
  expect(stderr).toContain('which is taken')
  expect(exitCode).toBe(2)
})
