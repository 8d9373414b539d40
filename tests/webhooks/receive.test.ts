import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { BrokerUnavailable, type Client, defineApp, defineTask, StorageFull } from 'tq-edge'
import { createApi } from 'tq-edge/http'
import {
  defineSender,
  github,
  type Webhook,
  type WebhookEvent,
  type WebhookHandler,
  type WebhookOptions,
  webhook,
} from 'tq-edge/webhooks'
import * as v from 'valibot'
import { hmac, toBytes, toHex } from '../../src/hmac.ts'
import { aJob } from '../http/support.ts'
import { CASES, type Sent } from './senders.ts'
import { setUp } from './support.ts'

const SECRET = 'sesame-4711'
const JSON_TYPE = 'application/json'

interface Push {
  readonly id?: string
  readonly kind?: string
  readonly type?: string | null
  readonly body?: string | Uint8Array<ArrayBuffer>
}

/** A genuine delivery of GitHub's. */
async function push({ id = 'delivery-1', kind = 'push', type = JSON_TYPE, body = '{"ref":"main"}' }: Push = {}) {
  const bytes = typeof body === 'string' ? toBytes(body) : body
  return {
    url: 'http://localhost/hooks/github',
    headers: {
      ...(type === null ? {} : { 'Content-Type': type }),
      'X-GitHub-Event': kind,
      'X-GitHub-Delivery': id,
      'X-Hub-Signature-256': `sha256=${toHex(await hmac(toBytes(SECRET), bytes))}`,
    },
    body: bytes,
  }
}

const hook = (handler: string | WebhookHandler<unknown>, options?: WebhookOptions): Webhook =>
  webhook('/hooks/github', github<unknown>({ secret: SECRET }), handler, options)

const app = defineApp({
  tasks: [
    defineTask({ name: 'push.received', input: v.looseObject({ ref: v.string() }), run: () => {} }),
    defineTask({ name: 'anything', run: () => {} }),
  ],
})

describe('by name', () => {
  test('the body is the input of a job, whose id says where it came from', async () => {
    const { deliver, jobs, events } = setUp([hook('push.received')], { app })
    const response = await deliver(await push())
    const id = 'hooks:github:delivery-1:push.received'
    expect([response.status, await response.json()]).toEqual([202, { id: 'delivery-1', jobs: [{ id }] }])
    expect(await jobs()).toEqual([{ id, task: 'push.received', input: { ref: 'main' } }])
    expect(events[0]).toEqual({ kind: 'job.enqueued', id, task: 'push.received', queue: 'default', by: 'webhook' })
  })

  test('an input that its task does not take is refused, and says where', async () => {
    const { deliver, jobs } = setUp([hook('push.received')], { app })
    const response = await deliver(await push({ body: `{"ref":["${SECRET}"]}` }))
    expect(response.status).toBe(422)
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({ type: 'urn:tq:problem:invalid-input', errors: [{ path: 'ref' }] })
    expect(text).not.toContain(SECRET)
    expect(await jobs()).toEqual([])
  })

  test('a task that the app lacks is named when the API is made', () => {
    expect(() => setUp([hook('push.recieved')], { app })).toThrow(
      'expected the task of the webhook "/hooks/github" to be one of the app, got "push.recieved": did you mean "push.received"?',
    )
    expect(() => hook('no name')).toThrow(/^expected the name of a task/)
  })
})

describe('by function', () => {
  test.each(CASES)('it is told what $name says of a delivery', async ({ create, secret, delivery, atMs, event }) => {
    const told: WebhookEvent[] = []
    const path = new URL(delivery.url).pathname
    const { deliver } = setUp([webhook(path, create(secret), (given) => void told.push(given))], { atMs })
    const response = await deliver(delivery)
    expect([response.status, response.headers.has('TQ-Jobs')]).toEqual([200, false])
    expect(told).toMatchObject([event])
    expect(told[0]?.headers.get('Content-Type')).toBe(delivery.headers['Content-Type'] ?? '')
    expect(told[0]?.body).toBeTruthy()
  })

  test('it may enqueue several jobs, and what it does not wait for is stored as well', async () => {
    const { deliver, jobs } = setUp([
      hook((_, tq) => {
        void tq.enqueue('a', 1)
        void tq.enqueueMany([{ task: 'a', input: 2 }, { task: 'b' }])
      }),
    ])
    expect((await deliver(await push())).headers.get('TQ-Jobs')).toBe('3')
    expect((await jobs()).map(({ id }) => id).sort()).toEqual([
      'hooks:github:delivery-1:a',
      'hooks:github:delivery-1:a~2',
      'hooks:github:delivery-1:b',
    ])
  })

  test('a copy creates nothing, whatever of it has changed', async () => {
    let count = 0
    const { deliver, jobs, events } = setUp([
      hook(async ({ body }, tq) => {
        await tq.enqueue('a', { body, count: ++count })
        await tq.enqueueMany([
          { task: 'b', input: count },
          { task: 'b', input: 'same' },
        ])
      }),
    ])
    await deliver(await push())
    const before = await jobs()
    const again = await deliver(await push({ body: '{"ref":"main","attempt":2}' }))
    expect(await again.json()).toMatchObject({ jobs: Array(3).fill({ deduplicated: true }) })
    expect(again.status).toBe(202)
    expect(await jobs()).toEqual(before)
    expect(events.filter(({ kind }) => kind === 'job.enqueued')).toHaveLength(3)
  })

  test('a copy brings what the first one could not', async () => {
    let full = true
    const { deliver, jobs } = setUp(
      [
        hook(async (_, tq) => {
          await tq.enqueue('a')
          await tq.enqueue('b')
        }),
      ],
      {
        wrap: (broker) => ({
          enqueue: async (given, options) =>
            full && given[0]?.task === 'b' ? given.map(() => 'full' as const) : broker.enqueue(given, options),
        }),
      },
    )
    expect((await deliver(await push())).status).toBe(503)
    full = false
    expect((await deliver(await push())).status).toBe(202)
    expect((await jobs()).map(({ task }) => task).sort()).toEqual(['a', 'b'])
  })

  test('ids of its own stand, and one that is taken by another job is an error', async () => {
    const { deliver, jobs, broker } = setUp([hook(({ id }, tq) => tq.enqueue('a', id, { id: 'mine', queue: 'slow' }))])
    await deliver(await push())
    expect((await deliver(await push())).status).toBe(202)
    expect((await deliver(await push({ id: 'another' }))).status).toBe(500)
    expect(await jobs()).toEqual([{ id: 'mine', task: 'a', input: 'delivery-1' }])
    expect((await broker.get(['mine']))[0]).toMatchObject({ queue: 'slow' })
  })

  test('a job of another task in the place of its own is an error, and no copy', async () => {
    const { deliver, broker, jobs } = setUp([hook((_, tq) => tq.enqueue('a', 1))])
    await broker.enqueue([aJob('hooks:github:delivery-1:a', { task: 'taken', input: '1' })])
    expect((await deliver(await push())).status).toBe(500)
    await broker.remove(['hooks:github:delivery-1:a'])
    expect((await deliver(await push())).status).toBe(202)
    expect(await jobs()).toEqual([])
  })

  test('many jobs are checked before any of them is stored', async () => {
    const { deliver, jobs } = setUp(
      [
        hook((_, tq) =>
          tq.enqueueMany([
            { task: 'push.received', input: { ref: 'main' } },
            { task: 'push.received', input: {} },
          ]),
        ),
      ],
      { app },
    )
    expect((await deliver(await push())).status).toBe(500)
    expect(await jobs()).toEqual([])
  })

  test('its client is typed by an app, its event by the sender', () => {
    const app = defineApp({ tasks: [defineTask({ name: 'greet', input: v.string(), run: () => {} })] })
    webhook('/a', github({ secret: SECRET }), ({ body }, tq: Client<typeof app>) =>
      tq.enqueue('greet', body.repository?.full_name ?? ''),
    )
    webhook('/a', github<{ ref: number }>({ secret: SECRET }), ({ body }, tq: Client<typeof app>) =>
      // @ts-expect-error its input is a text
      tq.enqueue('greet', body.ref),
    )
    // @ts-expect-error there is no such task
    webhook('/a', github({ secret: SECRET }), (_, tq: Client<typeof app>) => tq.enqueue('grete', ''))
  })
})

describe('errors of the handler', () => {
  test.each([
    ['that it throws', 'Error: no mail', () => Promise.reject(new Error('no mail'))],
    [
      'of a wrong name',
      'UnknownTask: expected a task of the app',
      (_: unknown, tq: Client) => tq.enqueue('no such task'),
    ],
    ['of a wrong input', 'InvalidInput: expected', (_: unknown, tq: Client) => tq.enqueue('push.received', { ref: 1 })],
    [
      'that nobody waits for',
      'InvalidInput: expected',
      (_: unknown, tq: Client) => void tq.enqueue('push.received', 1),
    ],
    ['that is none', 'NonError: expected', () => Promise.reject(SECRET)],
  ])('one %s is a 500 without details, and the event has the reason', async (_, reason, handler) => {
    const { deliver, events } = setUp([hook(handler)], { app })
    const response = await deliver(await push())
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({
      status: 500,
      type: 'urn:tq:problem:internal',
      detail: "The server's log says what.",
    })
    expect(text).not.toContain(reason.split(':')[1] ?? '')
    expect(events.at(-1)).toMatchObject({ kind: 'http.request', status: 500, reason: expect.stringContaining(reason) })
    expect(JSON.stringify(events)).not.toContain(SECRET)
  })

  test.each([
    ['a broker that does not answer', new BrokerUnavailable('redis', 'no route to 10.0.0.1'), 'broker-unavailable'],
    ['a full store', new StorageFull('/var/lib/tq.db'), 'storage-full'],
  ])('after %s the sender is to send again', async (_, error, kind) => {
    for (const handler of ['anything', (_event: unknown, tq: Client) => tq.enqueue('anything')]) {
      const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
      const enqueue = () => {
        ask()
        return Promise.reject(error)
      }
      const { deliver, clock } = setUp([hook(handler, { timeoutMs: 60_000 })], { wrap: () => ({ enqueue }) })
      const answered = deliver(await push())
      await asked
      await clock.advance(30_000)
      const response = await answered
      expect([response.status, response.headers.has('Retry-After')]).toEqual([503, true])
      expect(await response.json()).toMatchObject({ type: `urn:tq:problem:${kind}` })
    }
  })

  test('one that takes too long is answered in time, and its copy creates nothing', async () => {
    const started = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    const { deliver, clock, jobs } = setUp([
      hook(async (_, tq) => {
        started.resolve()
        await gate.promise
        await tq.enqueue('a')
      }),
    ])
    const answered = deliver(await push())
    await started.promise
    await clock.advance(2_500)
    const response = await answered
    expect([response.status, response.headers.get('Retry-After')]).toEqual([503, '5'])
    expect(await response.json()).toMatchObject({ type: 'urn:tq:problem:webhook-late' })
    gate.resolve()
    await clock.advance(0)
    expect((await deliver(await push())).status).toBe(202)
    expect(await jobs()).toHaveLength(1)
  })
})

describe('bodies', () => {
  const received = async (sent: Push) => {
    const { deliver, jobs } = setUp([hook('anything')])
    const response = await deliver(await push(sent))
    return { response, inputs: (await jobs()).map(({ input }) => input) }
  }

  test.each([
    ['JSON', JSON_TYPE, '{"a":[1]}', { a: [1] }],
    ['JSON with a charset', 'Application/JSON; charset=utf-8', '1', 1],
    ['a kind of JSON', 'application/cloudevents+json', '{}', {}],
    ['no type at all', null, '"text"', 'text'],
    ['a form', 'application/x-www-form-urlencoded', 'a=1&b=x+y%21&b=2', { a: '1', b: ['x y!', '2'] }],
    ['JSON in a form', 'application/x-www-form-urlencoded', 'payload=%7B%22a%22%3A1%7D', { a: 1 }],
    ['a text', 'text/plain; charset=utf-8', 'Blåbær', 'Blåbær'],
    ['nothing', JSON_TYPE, '', undefined],
  ])('%s is read', async (_, type, body, input) => {
    expect((await received({ type, body })).inputs).toEqual([input])
  })

  test.each([
    ['an unknown type', { type: 'application/xml' }, 415, 'unsupported-media-type'],
    ['a form with files', { type: 'multipart/form-data; boundary=x' }, 415, 'unsupported-media-type'],
    ['an empty type', { type: '' }, 415, 'unsupported-media-type'],
    ['JSON that is none', { body: `{"a":"${SECRET}"` }, 400, 'malformed-json'],
    ['JSON that is too deep', { body: '['.repeat(2_000) + ']'.repeat(2_000) }, 400, 'malformed-json'],
    ['JSON that is not UTF-8', { body: new Uint8Array([0x22, 0xff, 0x22]) }, 400, 'malformed-json'],
    ['a text that is not UTF-8', { type: 'text/plain', body: new Uint8Array([0xff]) }, 400, 'malformed-body'],
    [
      'a form whose JSON is none',
      { type: 'application/x-www-form-urlencoded', body: 'payload=%7B' },
      400,
      'malformed-json',
    ],
  ])('%s is refused, although it is signed', async (_, sent, status, kind) => {
    const { response, inputs } = await received(sent)
    const text = await response.text()
    expect([response.status, JSON.parse(text).type]).toEqual([status, `urn:tq:problem:${kind}`])
    expect(text).not.toContain(SECRET)
    expect(inputs).toEqual([])
  })

  test('one that is too large is refused before anything is verified', async () => {
    const { deliver } = setUp([hook('anything')], { maxBodyBytes: 100 })
    const large = await push({ body: JSON.stringify('x'.repeat(99)) })
    expect((await deliver(large)).status).toBe(413)
    expect((await deliver({ ...large, headers: {} })).status).toBe(413)
    expect((await deliver(await push({ body: JSON.stringify('x'.repeat(98)) }))).status).toBe(202)
  })

  test.each([
    ['a form', 'application/x-www-form-urlencoded', '__proto__=polluted&constructor=x&__proto__[polluted]=1'],
    ['JSON', JSON_TYPE, '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":1}}}'],
  ])('names of prototypes in %s are fields like any other', async (_, type, body) => {
    const seen: object[] = []
    const { deliver } = setUp([hook(({ body: given }) => void seen.push(given as object))])
    await deliver(await push({ type, body }))
    const [fields] = seen
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype)
    expect(Object.hasOwn(fields as object, '__proto__')).toBe(true)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

describe('a delivery’s id', () => {
  test.each([
    ['is long', 'x'.repeat(500)],
    ['has characters that no id should', 'a/b c:d'],
    ['is empty', ''],
  ])('that %s still tells copies', async (_, id) => {
    const { deliver, jobs } = setUp([hook('anything')])
    for (let copy = 0; copy < 2; copy++) expect((await deliver(await push({ id }))).status).toBe(202)
    expect(await jobs()).toMatchObject([{ id: expect.stringMatching(/^hooks:github:[0-9a-f]{64}:anything$/) }])
  })

  test('that is none leaves the signed content to tell them', async () => {
    const { deliver, jobs } = setUp([hook('anything')])
    for (const body of ['1', '2', '1']) await deliver(await push({ id: '', body }))
    expect((await jobs()).map(({ input }) => input).sort()).toEqual([1, 2])
  })

  test('tells also copies that come at once', async () => {
    const { deliver, jobs } = setUp([hook('anything')])
    const sent = await push()
    const answers = await Promise.all(Array.from({ length: 10 }, () => deliver(sent)))
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(202))
    expect(await jobs()).toHaveLength(1)
  })

  test('counts for its own path alone, and another is another job', async () => {
    const sender = github({ secret: SECRET })
    const { deliver, jobs } = setUp([webhook('/hooks/github', sender, 'a'), webhook('/hooks/other', sender, 'a')])
    for (const id of ['1', '2'])
      for (const path of ['github', 'other'])
        await deliver({ ...(await push({ id })), url: `http://localhost/hooks/${path}` })
    expect(await jobs()).toHaveLength(4)
  })

  test('is not taken for another path’s, whatever its task is called', async () => {
    const sender = github({ secret: SECRET })
    const { deliver, jobs } = setUp([webhook('/hooks', sender, 'b:t'), webhook('/hooks/a', sender, 't')])
    await deliver({ ...(await push({ id: 'a', body: '1' })), url: 'http://localhost/hooks' })
    await deliver({ ...(await push({ id: 'b', body: '2' })), url: 'http://localhost/hooks/a' })
    expect((await jobs()).map(({ input }) => input).sort()).toEqual([1, 2])
  })

  test('leaves room for the longest name of a task', async () => {
    const name = 'n'.repeat(200)
    const path = `/${'p'.repeat(49)}`
    const { deliver, jobs } = setUp([webhook(path, github({ secret: SECRET }), name)])
    expect((await deliver({ ...(await push({ id: 'i'.repeat(64) })), url: `http://localhost${path}` })).status).toBe(
      202,
    )
    expect(await jobs()).toMatchObject([{ task: name }])
  })
})

describe('what is no event', () => {
  test('a ping of GitHub’s is answered, and only one that is signed', async () => {
    const { deliver, jobs } = setUp([hook('anything')])
    const ping = await push({ kind: 'ping', body: '{"zen":"Keep it logically awesome."}' })
    expect((await deliver(ping)).status).toBe(200)
    expect((await deliver({ ...ping, body: toBytes('{}') })).status).toBe(401)
    expect(await jobs()).toEqual([])
  })

  const caseOf = (name: string) => CASES.find((one) => one.name === name) as (typeof CASES)[number]
  const answerTo = async (name: string, body: string, type = JSON_TYPE) => {
    const { create, secret, delivery, sign, atMs } = caseOf(name)
    const { deliver, jobs } = setUp([webhook('/hooks', create(secret), 'anything')], { atMs })
    const sent: Sent = { ...delivery, headers: { ...delivery.headers, 'Content-Type': type }, body }
    return { response: await deliver(await sign(secret, sent, atMs)), jobs: await jobs() }
  }

  test('a ping of Stripe’s is answered', async () => {
    const { response, jobs } = await answerTo('stripe', '{"id":"evt_2","type":"v2.core.event_destination.ping"}')
    expect([response.status, jobs]).toEqual([200, []])
  })

  test('Slack’s check of an address is answered with its challenge', async () => {
    const { response, jobs } = await answerTo('slack', '{"type":"url_verification","challenge":"3eZbrw1a"}')
    expect([response.status, await response.json(), jobs]).toEqual([200, { challenge: '3eZbrw1a' }, []])
  })

  test('Slack’s events and interactions become jobs, and its users see no answer', async () => {
    const event = '{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}'
    const one = await answerTo('slack', event)
    expect([one.response.status, await one.response.text()]).toEqual([200, ''])
    expect(one.jobs).toMatchObject([{ id: 'hooks:Ev1:anything', input: { event_id: 'Ev1' } }])
    const payload = new URLSearchParams({ payload: '{"type":"block_actions","trigger_id":"1.2"}' }).toString()
    const { jobs } = await answerTo('slack', payload, 'application/x-www-form-urlencoded')
    expect(jobs).toMatchObject([{ id: 'hooks:1.2:anything', input: { type: 'block_actions' } }])
  })

  test('Twilio is answered in its own language that there is nothing to do', async () => {
    const { create, secret, delivery } = caseOf('twilio')
    const response = await setUp([webhook('/myapp.php', create(secret), 'anything')]).deliver(delivery)
    expect([response.headers.get('Content-Type'), await response.text()]).toEqual(['text/xml', '<Response/>'])
  })
})

describe('in an API', () => {
  test('a webhook needs no token, and opens nothing else', async () => {
    const { api, deliver } = setUp([hook('anything')])
    expect((await deliver(await push())).status).toBe(202)
    const authorized = await push()
    const headers = { ...authorized.headers, Authorization: 'Bearer another' }
    expect((await deliver({ ...authorized, headers })).status).toBe(202)
    expect((await api.request('/v1/jobs/hooks:github:delivery-1:anything')).status).toBe(401)
    expect((await deliver({ ...authorized, url: 'http://localhost/v1/jobs' })).status).toBe(401)
  })

  test('another method or path is refused as everywhere', async () => {
    const { api, deliver } = setUp([hook('anything')])
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await api.request('/hooks/github', { method })
      expect([response.status, response.headers.get('Allow')]).toEqual([405, 'POST'])
    }
    expect((await deliver({ ...(await push()), url: 'http://localhost/hooks/gitlab' })).status).toBe(404)
  })

  test('no answer and no event has the secret or the payload', async () => {
    const { deliver, events } = setUp([hook('anything')])
    const sent = await push({ body: `{"token":"payload-4711"}` })
    const answers = [await deliver(sent), await deliver({ ...sent, body: toBytes('{"token":"payload-4711"} ') })]
    const said = JSON.stringify([events, await Promise.all(answers.map((answer) => answer.text()))])
    expect(answers.map(({ status }) => status)).toEqual([202, 401])
    expect(said).not.toContain('4711')
    expect(said).not.toContain(sent.headers['X-Hub-Signature-256'])
  })

  test.each([
    '',
    'hooks',
    '/',
    '/a//b',
    '/a/',
    '/:id',
    '/a*',
    '/v1',
    '/v1/hooks',
    '/a/../v1/jobs',
    '/å',
    `/${'x'.repeat(50)}`,
  ])('the path %p cannot be one of a webhook', (path) => {
    expect(() => webhook(path, github({ secret: SECRET }), 'a')).toThrow(/^expected the path of a webhook to be/)
  })

  test('two webhooks of one path are refused', () => {
    expect(() => setUp([hook('a'), hook('b')])).toThrow('"/hooks/github" twice')
  })

  test.each([0, -1, Number.NaN])('a time limit of %p is refused', (timeoutMs) => {
    expect(() => hook('a', { timeoutMs })).toThrow(/^expected timeoutMs/)
  })

  test('a sender of one’s own is one that is defined', async () => {
    const own = defineSender<{ readonly n: number }>({
      name: 'own',
      secret: [undefined, SECRET],
      toleranceMs: 1_000,
      write: toHex,
      signed: ({ headers, body }) => ({ content: [body], signatures: [headers.get('Own')], atS: headers.get('At') }),
      about: ({ n }) => ({ id: n, kind: 'counted' }),
    })
    const { deliver, jobs, clock } = setUp([webhook('/own', own, ({ body: { n } }, tq) => tq.enqueue('count', n))])
    const Own = toHex(await hmac(toBytes(SECRET), toBytes('{"n":3}')))
    const headers = { Own, At: String(clock.now() / 1_000) }
    const sent = { url: 'http://localhost/own', headers, body: '{"n":3}' }
    expect((await deliver(sent)).status).toBe(202)
    expect((await deliver({ ...sent, headers: { Own } })).status).toBe(401)
    expect(await jobs()).toMatchObject([{ input: 3 }])
  })

  test('no request does worse than to be refused, signed or not', async () => {
    const { deliver } = setUp([hook('anything')])
    const types = fc.constantFrom(JSON_TYPE, 'text/plain', 'application/x-www-form-urlencoded', 'image/png')
    const bodies = fc.oneof(
      fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
      fc.json().map(toBytes),
      fc.webQueryParameters().map((query) => toBytes(`payload=${query}`)),
    )
    await fc.assert(
      fc.asyncProperty(types, bodies, fc.boolean(), fc.uuid(), async (type, body, signed, id) => {
        const sent = await push({ id, type, body })
        const response = await deliver(signed ? sent : { ...sent, headers: { 'Content-Type': type } })
        expect(signed ? [202, 400, 415] : [401, 415]).toContain(response.status)
      }),
      { numRuns: 200, seed: 6 },
    )
  })

  test('over a socket a delivery becomes a job, and one of no length that is too large is refused', async () => {
    const { broker, jobs } = setUp([])
    const api = createApi({ broker, tokens: ['token'], maxBodyBytes: 1_000, webhooks: [hook('anything')] })
    const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: api.fetch })
    try {
      const { headers, body } = await push()
      const url = `${server.url.origin}/hooks/github`
      expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(202)
      expect(await jobs()).toMatchObject([{ input: { ref: 'main' } }])
      const endless = new ReadableStream({ pull: (controller) => controller.enqueue(toBytes(' '.repeat(600))) })
      expect((await fetch(url, { method: 'POST', headers, body: endless })).status).toBe(413)
    } finally {
      await server.stop(true)
    }
  })
})
