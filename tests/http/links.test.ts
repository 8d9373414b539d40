import { expect, test } from 'bun:test'
import { createLink, type LinkOptions } from 'tq-edge/client'
import type { Broker } from '../../src/broker.ts'
import { hmac, toBase64Url, toBytes, toHex } from '../../src/hmac.ts'
import { signKick } from '../../src/kick.ts'
import { aJob, app, settle, setUp, succeeded } from './support.ts'

const SECRET = 'a-long-random-secret'
const MINUTE_MS = 60_000

/** An API that asks for a token, whose clock stands at ten minutes, and links to it that are good for five. */
async function withLinks(linkSecrets: readonly string[] = [SECRET]) {
  const calls: string[] = []
  const api = setUp({
    tokens: ['a-token'],
    app,
    linkSecrets,
    wrap: (broker) => counted(broker, (call) => calls.push(call)),
  })
  await api.clock.advance(10 * MINUTE_MS - api.clock.now())
  const make = (what: object, secret = SECRET) =>
    createLink(secret, { url: 'http://localhost', expiresAtMs: 15 * MINUTE_MS, ...what } as LinkOptions)
  return { ...api, calls, make }
}

/** The broker, that tells of each call. */
function counted(broker: Broker, onCall: (name: string) => void): Broker {
  const told = Object.entries(broker).map(([name, part]) => [
    name,
    typeof part !== 'function'
      ? part
      : (...given: unknown[]) => {
          onCall(name)
          return Reflect.apply(part, broker, given)
        },
  ])
  return Object.fromEntries(told)
}

const typeOf = async (response: Response) => ((await response.json()) as { type?: string }).type
const UNSIGNED = 'urn:tq:problem:unsigned'

/** The text of a link with other claims or another signature. */
function rewritten(link: string, { claims = (text: string) => text, mac = (text: string) => text }): string {
  const [address, text = ''] = link.split('link=')
  const [what = '', hex = ''] = text.split('.')
  return `${address}link=${toBase64Url(toBytes(claims(atob(what.replaceAll('-', '+').replaceAll('_', '/')))))}.${mac(hex)}`
}

/** Whatever somebody who has the secret may say. */
async function signedAs(claims: string, purpose = 'tq-link'): Promise<string> {
  const what = toBase64Url(toBytes(claims))
  return `http://localhost/v1/links?link=${what}.${toHex(await hmac(toBytes(SECRET), toBytes(`${purpose} ${what}`)))}`
}

test('a link enqueues jobs of its task, without a token, each call another', async () => {
  const { make, post, broker } = await withLinks()
  const link = await make({ task: 'email.send', queue: 'mail' })
  for (const id of ['id-1', 'id-2']) {
    const response = await post(link, { to: 'ada@example.com' })
    expect([response.status, await response.json()]).toEqual([202, { id, state: 'queued' }])
  }
  expect(await broker.get(['id-1'])).toMatchObject([{ task: 'email.send', queue: 'mail' }])
})

test('the input of a link is checked as any other', async () => {
  const { make, post } = await withLinks()
  expect((await post(await make({ task: 'email.send' }), { to: 7 })).status).toBe(422)
  expect((await post(await make({ task: 'nobody' }), 1)).status).toBe(404)
  expect((await post(await make({ task: 'anything' }), '{')).status).toBe(400)
})

test('a link with an input takes no other', async () => {
  const { make, post, broker } = await withLinks()
  const link = await make({ task: 'email.send', input: { to: 'ada@example.com' } })
  expect((await post(link, { to: 'mallory@example.com' })).status).toBe(400)
  expect((await post(link)).status).toBe(202)
  expect((await broker.get(['id-1']))[0]?.input).toBe('{"to":"ada@example.com"}')
  const none = await make({ task: 'anything', input: null })
  expect([(await post(none, 1)).status, (await post(none)).status]).toEqual([400, 202])
})

test('a link with an id makes one job, however often it is used', async () => {
  const { make, post, broker } = await withLinks()
  const link = await make({ task: 'anything', id: 'once' })
  expect(await (await post(link, 1)).json()).toEqual({ id: 'once', state: 'queued' })
  expect(await (await post(link, 1)).json()).toEqual({ id: 'once', state: 'queued', deduplicated: true })
  expect((await post(link, 2)).status).toBe(409)
  expect((await broker.stats()).queues[0]?.counts).toEqual({ queued: 1 })
})

test('whoever has a link chooses nothing besides', async () => {
  const { make, post, calls } = await withLinks()
  const link = await make({ task: 'anything' })
  for (const more of ['&id=mine', '&queue=other', '&priority=9', '&link=two', '&wait=1'])
    expect((await post(`${link}${more}`, 1)).status).toBe(400)
  expect(calls).toEqual([])
})

test('a body over the limit of a link is refused, whether it says its length or not', async () => {
  const { make, post, api } = await withLinks()
  const link = await make({ task: 'anything', maxBytes: 10 })
  expect((await post(link, '"12345678"')).status).toBe(202)
  expect((await post(link, '"123456789"')).status).toBe(413)
  const body = new Blob(['"123456789"']).stream()
  expect((await api.request(link, { method: 'POST', body, duplex: 'half' } as RequestInit)).status).toBe(413)
  // Nor does it raise the API's own.
  const wide = await make({ task: 'anything', maxBytes: 10_000_000 })
  expect((await post(wide, `1${' '.repeat(1_048_576)}`)).status).toBe(413)
})

test('a link reads its job and its result, and no other', async () => {
  const { make, get, broker } = await withLinks()
  await broker.enqueue([aJob('a'), aJob('b')])
  const link = await make({ job: 'a' })
  expect(await (await get(link)).json()).toMatchObject({ id: 'a', state: 'queued' })
  const result = link.replace('/v1/links?', '/v1/links/result?')
  expect([(await get(result)).status, (await get(`${result}&wait=0`)).status]).toEqual([202, 202])
  await settle(broker, succeeded('a', '7'))
  expect(await (await get(result)).json()).toEqual({ id: 'a', state: 'succeeded', result: 7 })
  expect((await get(await make({ job: 'nobody' }))).status).toBe(404)
  expect((await get(`${link}&id=b`)).status).toBe(400)
})

test('a link opens nothing that it is not for', async () => {
  const { make, api, post, get, calls } = await withLinks()
  const [read, write] = [await make({ job: 'a' }), await make({ task: 'anything' })]
  const refused = [await post(read, 1), await get(write), await get(write.replace('links?', 'links/result?'))]
  expect(await Promise.all(refused.map(typeOf))).toEqual([UNSIGNED, UNSIGNED, UNSIGNED])
  const query = read.slice(read.indexOf('?'))
  for (const path of ['/v1/jobs/a', '/v1/jobs', '/v1/queues', '/v1/links/../jobs/a'])
    expect((await get(`${path}${query}`)).status).toBe(401)
  expect((await post(`/v1/tasks/anything${write.slice(write.indexOf('?'))}`, 1)).status).toBe(401)
  expect((await api.request(write, { method: 'PUT', headers: { Authorization: 'Bearer a-token' } })).status).toBe(405)
  expect(calls).toEqual([])
})

test('a link with any part changed is refused alike, without asking the broker', async () => {
  const { make, post, get, calls } = await withLinks()
  const link = await make({ task: 'email.send', input: { to: 'ada@example.com' }, maxBytes: 10 })
  const changes: ((claims: string) => string)[] = [
    (claims) => claims.replace('email.send', 'anything'),
    (claims) => claims.replace('ada@', 'mallory@'),
    (claims) => claims.replace('"maxBytes":10', '"maxBytes":99'),
    (claims) => claims.replace(/"expiresAtMs":\d+/, '"expiresAtMs":8640000000000000'),
    (claims) => claims.replace('"task":"email.send"', '"job":"a"'),
    (claims) => `${claims} `,
    () => '',
  ]
  const links = [
    ...changes.map((claims) => rewritten(link, { claims })),
    rewritten(link, { mac: (hex) => `${hex.slice(0, -1)}${hex.endsWith('0') ? '1' : '0'}` }),
    rewritten(link, { mac: (hex) => hex.slice(0, -1) }),
    rewritten(link, { mac: (hex) => hex.toUpperCase() }),
    `${link}x`,
    link.replace(/\.\w+$/, ''),
    '/v1/links?link=',
    '/v1/links',
    await make({ task: 'anything' }, 'another-long-secret'),
  ]
  const answers = new Set<string>()
  for (const changed of links) {
    expect(changed).not.toBe(link)
    for (const response of [await post(changed), await get(changed)])
      answers.add(`${response.status} ${await response.text()}`)
  }
  expect(answers.size).toBe(1)
  expect([...answers][0]).toContain('403 {"type":"urn:tq:problem:unsigned"')
  expect(calls).toEqual([])
})

test('a link is good until the moment that it says, by the server’s clock', async () => {
  const { make, post, clock, calls } = await withLinks()
  const link = await make({ task: 'anything' })
  await clock.advance(5 * MINUTE_MS - 1)
  expect((await post(link, 1)).status).toBe(202)
  await clock.advance(1)
  const before = calls.length
  const expired = await post(link, 1)
  expect(await expired.json()).toEqual(await (await post('/v1/links?link=never.was', 1)).json())
  expect([expired.status, calls.length]).toEqual([403, before])
})

test('a maker whose clock is ten minutes off makes links that are good for ten minutes more or less', async () => {
  const { make, post, clock } = await withLinks()
  const madeAt = (nowMs: number) => make({ task: 'anything', expiresAtMs: nowMs + 5 * MINUTE_MS })
  const behind = await madeAt(clock.now() - 10 * MINUTE_MS)
  const ahead = await madeAt(clock.now() + 10 * MINUTE_MS)
  expect([(await post(behind, 1)).status, (await post(ahead, 1)).status]).toEqual([403, 202])
  await clock.advance(15 * MINUTE_MS)
  expect((await post(ahead, 1)).status).toBe(403)
})

test('a secret is replaced while links of the old one are still out', async () => {
  const next = 'the-next-long-secret'
  const both = await withLinks([next, SECRET])
  for (const secret of [SECRET, next]) {
    const link = await both.make({ task: 'anything' }, secret)
    expect((await both.post(link, 1)).status).toBe(202)
  }
  const later = await withLinks([next])
  expect((await later.post(await later.make({ task: 'anything' }), 1)).status).toBe(403)
})

test.each([
  ['a field that this version does not know', '{"task":"anything","expiresAtMs":900000,"perMinute":10}'],
  ['two purposes', '{"task":"anything","job":"a","expiresAtMs":900000}'],
  ['no end', '{"task":"anything"}'],
  ['an end that is a text', '{"task":"anything","expiresAtMs":"900000"}'],
  ['an end that is no number JSON has', '{"task":"anything","expiresAtMs":1e999}'],
  ['a limit that is none', '{"task":"anything","maxBytes":-1,"expiresAtMs":900000}'],
  ['no JSON', 'anything'],
  ['a list', '[]'],
  ['null', 'null'],
])('a link that its maker has signed with %s is refused', async (_, claims) => {
  const { post, get, calls } = await withLinks()
  const link = await signedAs(claims)
  expect(await typeOf(await post(link, 1))).toBe(UNSIGNED)
  expect(await typeOf(await get(link))).toBe(UNSIGNED)
  expect(calls).toEqual([])
})

test('what the same secret has signed for something else is no link', async () => {
  const { post } = await withLinks()
  const claims = '{"task":"anything","expiresAtMs":900000}'
  expect((await post(await signedAs(claims), 1)).status).toBe(202)
  expect((await post(await signedAs(claims, 'tq-kick'), 1)).status).toBe(403)
  expect((await post(`/v1/links?link=${await signKick(SECRET, 600_000, 0)}`, 1)).status).toBe(403)
})

test('no event and no answer repeats a link', async () => {
  const { make, post, events } = await withLinks()
  const link = await make({ task: 'anything' })
  const text = link.split('link=')[1] as string
  const answers = [await post(link, 1), await post(`${link}0`, 1), await post(link, '{')]
  const told = await Promise.all(answers.map((answer) => answer.text()))
  expect(JSON.stringify([events, told])).not.toContain(text.slice(0, 20))
})

test('an API without secrets has no links, and one with a short secret is not made', async () => {
  const { make, post } = await withLinks([])
  expect((await post(await make({ task: 'anything' }), 1)).status).toBe(404)
  expect(() => setUp({ linkSecrets: [SECRET, 'short'] })).toThrow(/^expected linkSecrets to be a secret of 16/)
})

test.each([
  ['too short a secret', 'short', {}, 'secret'],
  ['no address', SECRET, { url: 'tq.example' }, 'url'],
  ['an address with a query', SECRET, { url: 'https://tq.example?a=b' }, 'url'],
  ['a task that is none', SECRET, { task: 'a task' }, 'task'],
  ['no end', SECRET, { expiresAtMs: undefined }, 'expiresAtMs'],
  ['a limit that is none', SECRET, { maxBytes: 0 }, 'maxBytes'],
  ['an empty job', SECRET, { job: '' }, 'job'],
  ['an input that was to be there', SECRET, { input: undefined }, 'input'],
  ['an id that was to be there', SECRET, { id: undefined }, 'id'],
  ['an input that is too long', SECRET, { input: 'x'.repeat(8_000) }, '6,000 bytes'],
])('a link with %s is not made', async (_, secret, more, what) => {
  const given = { url: 'https://tq.example', task: 'anything', expiresAtMs: 1, ...more } as LinkOptions
  const error = await createLink(secret, given).catch((thrown) => thrown)
  expect(error.message).toContain(what)
  expect(error.message).not.toContain('short')
})

test('the address of an API that is part of another is kept', async () => {
  const link = await createLink(SECRET, { url: 'https://app.example/tq/', job: 'a', expiresAtMs: 1 })
  expect(link).toStartWith('https://app.example/tq/v1/links?link=')
})
