/** Callbacks from the shell: enqueue says who is told, work tells. */
import { expect, test } from 'bun:test'
import { serve } from 'bun'
import { Webhook } from 'standardwebhooks'
import { createFolder, GREETER } from './support.ts'

const TQ_CALLBACK_SECRET = `whsec_${btoa('a secret that is long enough')}`

test('enqueue names who is told, and a worker with the secret tells; without it, or without leave, nobody', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const verified: unknown[] = []
  await using server = serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      verified.push(new Webhook(TQ_CALLBACK_SECRET).verify(await request.text(), Object.fromEntries(request.headers)))
      return new Response()
    },
  })
  const url = `http://127.0.0.1:${server.port}/told`
  const enqueue = (id: string) => folder.tq(['enqueue', 'greet', '{"name":"Ada"}', '--id', id, '--on-success', url])
  await enqueue('a')
  expect((await folder.tq(['work', '--burst'])).stdout).toContain(
    'no TQ_CALLBACK_SECRET to sign with: they are put back',
  )
  await enqueue('b')
  const refused = await folder.tq(['work', '--burst'], { env: { TQ_CALLBACK_SECRET } })
  expect(refused.stdout).toMatch(/failed +tq\.callback.*expected an address on the public internet/)
  expect(verified).toEqual([])
  await enqueue('c')
  const env = { TQ_CALLBACK_SECRET, TQ_ALLOW_HOSTS: `hooks.internal, 127.0.0.1:${server.port}` }
  expect((await folder.tq(['work', '--burst'], { env })).stdout).toMatch(/succeeded +tq\.callback +c:onSuccess:1/)
  expect(verified).toContainEqual(
    expect.objectContaining({ type: 'job.succeeded', data: expect.objectContaining({ id: 'c' }) }),
  )
  const failed = await folder.tq(['jobs', '--state', 'failed', '--task', 'tq.callback', '--json'])
  // The one that was put back may be due by then: it fails as well.
  expect(JSON.parse(failed.stdout).jobs).toContainEqual(expect.objectContaining({ id: 'b:onSuccess:1', input: url }))
})

test('an address that is none, and a secret that is none, are refused by name', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const enqueued = await folder.tq(['enqueue', 'greet', '{"name":"Ada"}', '--on-failure', 'hooks'])
  expect([enqueued.exitCode, enqueued.stderr]).toEqual([
    expect.any(Number),
    expect.stringContaining('expected onFailure to be an address'),
  ])
  expect(enqueued.exitCode).not.toBe(0)
  const worked = await folder.tq(['work', '--burst'], { env: { TQ_CALLBACK_SECRET: 'guess-me' } })
  expect(worked.stderr).toContain('expected the secret of callbacks to be whsec_')
  expect(worked.stderr).not.toContain('guess-me')
})
