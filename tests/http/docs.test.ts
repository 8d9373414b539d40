import { expect, test } from 'bun:test'
import { Hono } from 'hono'
import { defineApp, defineTask, type Task } from 'tq-edge'
import { createToken } from 'tq-edge/http'
import { openApi } from 'tq-edge/openapi'
import * as v from 'valibot'
import type { Document } from '../../src/http/openapi/document.ts'
import { app, setUp } from './support.ts'

const TOKEN = 'a-long-random-token'
const asAdmin = { Authorization: `Bearer ${TOKEN}` }

const setUpDocs = (options: Parameters<typeof setUp>[0] = {}) => setUp({ openapi: openApi(), app, ...options })

type Api = ReturnType<typeof setUp>['api']

async function textOf(api: Api, path: string, headers: Record<string, string> = {}): Promise<string> {
  return (await api.request(path, { headers })).text()
}

const documentOf = async (api: Api, headers: Record<string, string> = {}): Promise<Document> =>
  JSON.parse(await textOf(api, '/openapi.json', headers))

test.each(['/openapi.json', '/docs'])('%s names tasks to whoever may read, and to nobody else', async (path) => {
  const reader = await createToken({ scopes: ['read'] })
  const producer = await createToken({ scopes: ['enqueue:email.*', 'operate', 'work:*'] })
  const { api } = setUpDocs({ tokens: [TOKEN, reader.record, producer.record] })
  const tells = async (headers: Record<string, string>) => (await textOf(api, path, headers)).includes('email.send')
  expect(await tells(asAdmin)).toBe(true)
  expect(await tells({ Authorization: `Bearer ${reader.token}` })).toBe(true)
  expect(await tells({})).toBe(false)
  expect(await tells({ Authorization: `Bearer ${producer.token}` })).toBe(false)
  const { status, headers } = await api.request(path)
  expect([status, headers.get('Vary'), headers.get('Cache-Control')]).toEqual([200, 'Authorization', 'no-store'])
})

test('a token that is wrong is refused, and too many of them are slowed down', async () => {
  const { api } = setUpDocs({ tokens: [TOKEN], addressOf: () => '192.0.2.1' })
  const wrong = { headers: { Authorization: 'Bearer another' } }
  for (const path of ['/openapi.json', '/docs']) expect((await api.request(path, wrong)).status).toBe(401)
  for (let n = 0; n < 18; n++) await api.request('/openapi.json', wrong)
  expect((await api.request('/openapi.json', { headers: asAdmin })).status).toBe(429)
  expect((await api.request('/v1/jobs', { headers: asAdmin })).status).toBe(429)
})

test('without tokens whoever reaches the port is told of tasks, but no page of another site', async () => {
  const { api } = setUpDocs({ tokens: 'none' })
  expect(await textOf(api, '/docs')).toInclude('email.send')
  const byPage = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://elsewhere.example' }
  expect(await textOf(api, '/openapi.json', byPage)).not.toInclude('email.send')
})

test('each task is a call of its own, with what its schema takes', async () => {
  const { paths, components } = await documentOf(setUpDocs().api)
  expect(paths['/v1/tasks/email.send']?.post?.operationId).toBe('enqueueEmailSend')
  expect(paths['/v1/tasks/email.send']?.post?.security).toEqual([{ token: ['enqueue:email.send'] }])
  expect(components.schemas['Task.email.send.Input']).toEqual({
    type: 'object',
    properties: { to: { type: 'string', format: 'email' }, copies: { type: 'number' } },
    required: ['to'],
  })
  expect(paths['/v1/tasks/anything']?.post?.requestBody).toEqual({
    required: false,
    content: { 'application/json': { schema: {}, examples: {} } },
  })
})

/** A schema of a library that can tell what it takes by itself. */
const telling = (schema: unknown): Task['schema'] =>
  ({
    '~standard': {
      version: 1,
      vendor: 'some',
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: () => schema },
    },
  }) as unknown as Task['schema']

test('a schema that refers to itself still does in the document, and one that cannot tell takes anything', async () => {
  const tree = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: { left: { $ref: '#' }, right: { $ref: '#/$defs/leaf' }, const: { $ref: '#/$defs/leaf' } },
    $defs: { leaf: { const: { $ref: '#' } } },
  }
  const app = defineApp({
    tasks: [
      defineTask({ name: 'tree/grow', input: telling(tree) as NonNullable<Task['schema']>, run: () => {} }),
      defineTask({ name: 'tree.grow', run: () => {} }),
      defineTask({
        name: 'odd',
        input: v.pipe(
          v.string(),
          v.check((text) => text !== ''),
        ),
        run: () => {},
      }),
    ],
  })
  const { paths, components } = await documentOf(setUpDocs({ app }).api)
  const at = '#/components/schemas/Task.tree_2Fgrow.Input'
  expect(paths['/v1/tasks/tree%2Fgrow']?.post?.requestBody?.content['application/json']?.schema).toEqual({ $ref: at })
  expect(components.schemas['Task.tree_2Fgrow.Input']).toEqual({
    type: 'object',
    properties: { left: { $ref: at }, right: { $ref: `${at}/$defs/leaf` }, const: { $ref: `${at}/$defs/leaf` } },
    $defs: { leaf: { const: { $ref: '#' } } },
  })
  expect(['tree%2Fgrow', 'tree.grow'].map((name) => paths[`/v1/tasks/${name}`]?.post?.operationId)).toEqual([
    'enqueueTreeGrow',
    'enqueueTreeGrow2',
  ])
  expect(components.schemas['Task.odd.Input']).toEqual({ type: 'string' })
})

test('the server is where the document is served, or where the app says', async () => {
  const { api } = setUpDocs()
  const host = new Hono().route('/tq', api as unknown as Hono)
  const serversOf = async (app: { request: Api['request'] | Hono['request'] }, path: string) =>
    ((await (await app.request(path)).json()) as Document).servers
  expect(await serversOf(api, '/openapi.json')).toEqual([{ url: '/' }])
  expect(await serversOf(host, '/tq/openapi.json')).toEqual([{ url: '/tq' }])
  const elsewhere = setUp({ openapi: openApi({ url: 'https://tq.example' }) })
  expect(await serversOf(elsewhere.api, '/openapi.json')).toEqual([{ url: 'https://tq.example' }])
  expect((await host.request('/tq/docs/page.css')).headers.get('Content-Type')).toBe('text/css; charset=utf-8')
})

test('the page loads its own style and nothing else, and has no scripts', async () => {
  const { api } = setUpDocs()
  const response = await api.request('/docs')
  const page = await response.text()
  expect(response.headers.get('Content-Type')).toStartWith('text/html')
  const policy = response.headers.get('Content-Security-Policy') ?? ''
  expect(policy).toInclude("default-src 'self'")
  expect(policy).toInclude("script-src 'none'")
  expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff')
  const loaded = [
    ...page.matchAll(/<(?:link|script|img|iframe|source|object|embed)\b[^>]*>|\ssrc=|\sstyle=|@import|url\(/g),
  ]
  expect(loaded.map(([text]) => text)).toEqual(['<link rel="stylesheet" href="docs/page.css">'])
  expect(await textOf(api, '/docs/page.css')).not.toMatch(/url\(|@import|https?:/)
})

test('the page has every call, and its links lead to what is on it', async () => {
  const { api } = setUpDocs({ linkSecrets: ['a-long-random-secret'] })
  const page = await textOf(api, '/docs')
  const ids = new Set([...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))
  const hrefs = [...page.matchAll(/\shref="([^"]+)"/g)].map(([, href = '']) => href)
  const { paths } = await documentOf(api)
  const names = Object.values(paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  expect(names.filter((name) => !ids.has(name))).toEqual([])
  expect(hrefs.filter((href) => href.startsWith('#') && !ids.has(href.slice(1)))).toEqual([])
  expect(new Set(hrefs.filter((href) => !href.startsWith('#')))).toEqual(new Set(['docs/page.css', 'openapi.json']))
})

test('what an app says is text on the page', async () => {
  const evil = '</code><script>alert(1)</script>'
  const schema = {
    type: 'object',
    properties: { [evil]: { description: `<img src=x> ${evil}`, const: evil } },
    examples: [evil],
  }
  const task = defineTask({ name: 'evil', input: telling(schema) as NonNullable<Task['schema']>, run: () => {} })
  const page = await textOf(setUpDocs({ app: defineApp({ tasks: [task] }) }).api, '/docs')
  expect(page).toInclude('&lt;script&gt;')
  expect(page).not.toMatch(/<script|<img/)
})

test('the page says what each variable of its commands stands for', async () => {
  const { api } = setUpDocs({ linkSecrets: ['a-long-random-secret'] })
  const page = await textOf(api, '/docs')
  const commands = [...page.matchAll(/<pre><code>curl[^<]*<\/code>/g)].join('')
  const named = new Set([...commands.matchAll(/\$([A-Z_]+)/g)].map(([, name]) => name))
  expect([...named].sort()).toEqual(['INPUT', 'LINK', 'TQ', 'TQ_TOKEN'])
  expect([...named].filter((name) => !page.includes(`<code>${name}</code>`))).toEqual([])
})

test('the first command for a job makes the one that the others are about, and a pause needs no revision', async () => {
  const { api } = setUpDocs()
  const { paths } = await documentOf(api)
  const firstOf = (path: string) =>
    Object.values(paths[path]?.post?.requestBody?.content['application/json']?.examples ?? {})[0]?.value
  expect(firstOf('/v1/jobs')).toMatchObject({ id: paths['/v1/jobs/{id}']?.get?.parameters[0]?.example })
  expect(['pause', 'resume'].map((verb) => firstOf(`/v1/queues/{queue}/${verb}`))).toEqual([{}, {}])
})

test('the commands on the page are what a shell understands', async () => {
  const quote = defineTask({
    name: 'quote',
    input: telling({ type: 'string', examples: ["it's $HOME"] }) as NonNullable<Task['schema']>,
    run: () => {},
  })
  const page = await textOf(setUpDocs({ app: defineApp({ tasks: [quote] }) }).api, '/docs')
  const [, escaped = ''] = /<pre><code>(curl[^<]*tasks\/quote[^<]*)<\/code>/.exec(page) ?? []
  const command = escaped.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&')
  const env = { TQ: 'http://localhost', TQ_TOKEN: 't', PATH: process.env.PATH ?? '' }
  const child = Bun.spawn(['sh', '-c', `curl() { printf '%s\\n' "$@"; }; ${command}`], { env, stdout: 'pipe' })
  expect((await new Response(child.stdout).text()).trim().split('\n')).toEqual([
    ...['-X', 'POST', 'http://localhost/v1/tasks/quote', '-H', 'Authorization: Bearer t'],
    ...['-H', 'Content-Type: application/json', '-d', `"it's $HOME"`],
  ])
})
