import { expect, test } from 'bun:test'
import { BrokerUnavailable } from 'tq-edge'
import { VIRTUAL_START_MS } from '../support/clock.ts'
import { aJob, setUp } from './support.ts'

const json = (response: Response) => response.json() as Promise<Record<string, unknown>>
const kindOf = async (response: Response) => String((await json(response)).type).replace('urn:tq:problem:', '')

test('queues are told of with what is in them', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('a'), aJob('b', { delayMs: 1_000 }), aJob('c', { queue: 'mail' })])
  expect(await json(await get('/v1/queues'))).toEqual({
    nowMs: VIRTUAL_START_MS,
    queues: [
      { queue: 'default', paused: false, revision: 0, counts: { queued: 1, scheduled: 1 } },
      { queue: 'mail', paused: false, revision: 0, counts: { queued: 1 } },
    ],
  })
  expect(await json(await get('/v1/queues/mail'))).toMatchObject({ queue: 'mail', counts: { queued: 1 } })
})

test('a queue that nobody has used is empty, not unknown', async () => {
  const { get } = setUp()
  expect(await json(await get('/v1/queues/a%2Fb'))).toEqual({ queue: 'a/b', paused: false, revision: 0, counts: {} })
})

test('a queue is paused and resumed, and nothing is written where it is so already', async () => {
  const { get, post } = setUp()
  expect(await json(await post('/v1/queues/mail/pause'))).toEqual({ queue: 'mail', paused: true, revision: 1 })
  expect(await json(await post('/v1/queues/mail/pause'))).toEqual({ queue: 'mail', paused: true, revision: 1 })
  expect((await get('/v1/queues/mail')).headers.get('ETag')).toBe('"1"')
  expect(await json(await post('/v1/queues/mail/resume'))).toEqual({ queue: 'mail', paused: false, revision: 2 })
})

test.each([
  ['in the body', (revision: number) => [{ revision }, {}] as const],
  ['by If-Match', (revision: number) => [undefined, { 'If-Match': `"${revision}"` }] as const],
])('with the revision %s a late copy of a pause does not undo the resume', async (_, based) => {
  const { broker, post } = setUp()
  const change = (path: string, revision: number) => post(`/v1/queues/mail/${path}`, ...based(revision))
  expect((await change('pause', 0)).status).toBe(200)
  expect(await json(await change('pause', 0))).toMatchObject({ paused: true, revision: 1 })
  expect((await change('resume', 1)).status).toBe(200)
  const late = await change('pause', 0)
  expect([late.status, await kindOf(late)]).toEqual([412, 'changed'])
  expect((await broker.stats()).queues).toMatchObject([{ paused: false, revision: 2 }])
})

test('a queue is purged of what waits, a part at a time', async () => {
  const { broker, get, post } = setUp()
  await broker.enqueue(['a', 'b', 'c'].map((id) => aJob(id, { queue: 'mail' })))
  const purge = async (body?: object) => json(await post('/v1/queues/mail/purge', body))
  expect(await purge({ limit: 2 })).toEqual({ queue: 'mail', removed: 2, more: true, revision: 1 })
  expect(await purge({ revision: 1 })).toEqual({ queue: 'mail', removed: 1, more: false, revision: 2 })
  await broker.enqueue([aJob('later', { queue: 'mail' })])
  expect(await purge({ revision: 1 })).toMatchObject({ status: 412, type: 'urn:tq:problem:changed' })
  expect(await json(await get('/v1/queues/mail'))).toMatchObject({ counts: { queued: 1 }, revision: 2 })
})

test('a purge whose reply is lost is not made twice, and says to go on', async () => {
  let lost = true
  const { broker, post, clock } = setUp({
    wrap: (inner) => ({
      async purge(...args) {
        const purged = await inner.purge(...args)
        if (!lost) return purged
        lost = false
        await inner.enqueue([aJob('after', { queue: 'mail' })])
        throw new BrokerUnavailable('redis', 'none in time')
      },
    }),
  })
  await broker.enqueue([aJob('before', { queue: 'mail' })])
  const pending = post('/v1/queues/mail/purge')
  await clock.advance(1_000)
  expect(await json(await pending)).toEqual({ queue: 'mail', removed: 0, more: true, revision: 1 })
  expect(await broker.get(['before', 'after'])).toMatchObject([null, { state: 'queued' }])
})

test.each([
  ['no limit at all', { limit: 0 }, {}, 'invalid-request'],
  ['a limit too high', { limit: 1_001 }, {}, 'invalid-request'],
  ['a limit in words', { limit: 'all' }, {}, 'invalid-request'],
  ['a filter', { filter: {} }, {}, 'invalid-request'],
  ['a revision of somebody else', { revision: 7 }, {}, 'changed'],
  ['a tag of another form', undefined, { 'If-Match': '*, "0"' }, 'changed'],
])('a purge with %s is refused, and nothing is removed', async (_, body, headers, kind) => {
  const { broker, post } = setUp()
  await broker.enqueue([aJob('a', { queue: 'mail' })])
  expect(await kindOf(await post('/v1/queues/mail/purge', body, headers as Record<string, string>))).toBe(kind)
  expect((await broker.stats()).queues).toMatchObject([{ revision: 0, counts: { queued: 1 } }])
})

test.each([
  ['a revision that is none', { revision: -1 }, {}, 'invalid-request'],
  ['half a revision', { revision: 1.5 }, {}, 'invalid-request'],
  ['a revision in words', { revision: 'first' }, {}, 'invalid-request'],
  ['another field', { until: 1 }, {}, 'invalid-request'],
  ['a list', [], {}, 'invalid-request'],
  ['no JSON', '{', {}, 'malformed-json'],
  ['a tag of another form', undefined, { 'If-Match': '"0.abc"' }, 'changed'],
])('a pause with %s is refused, and the queue goes on', async (_, body, headers, kind) => {
  const { broker, post } = setUp()
  expect(await kindOf(await post('/v1/queues/mail/pause', body, headers as Record<string, string>))).toBe(kind)
  expect((await broker.stats()).queues).toEqual([])
})

test.each(['/v1/queues/%00', `/v1/queues/${'x'.repeat(201)}`, '/v1/queues?state=paused', '/v1/workers?queue=a'])(
  '%p is refused',
  async (path) => {
    const { get } = setUp()
    expect(await kindOf(await get(path))).toBe('invalid-request')
  },
)

test('the workers that were here lately', async () => {
  const { broker, get } = setUp()
  expect(await json(await get('/v1/workers'))).toEqual({ workers: [] })
  const presence = {
    worker: 'press.1',
    queues: ['default'],
    concurrency: 8,
    running: 3,
    runtime: 'bun',
    startedAtMs: VIRTUAL_START_MS,
  }
  await broker.exchange({
    lane: 'press.1.0',
    seq: 1,
    queues: ['default'],
    want: 0,
    takeLost: false,
    leaseMs: 30_000,
    waitMs: 0,
    settle: [],
    extend: [],
    presence,
  })
  expect(await json(await get('/v1/workers'))).toEqual({ workers: [{ ...presence, seenAtMs: VIRTUAL_START_MS }] })
})
