import { expect, test } from 'bun:test'
import { settled, VIRTUAL_START_MS } from '../support/clock.ts'
import { aJob, failed, settle, setUp, succeeded } from './support.ts'

const json = (response: Response) => response.json() as Promise<Record<string, unknown>>

/** Whether an answer has come by now. */
async function isAnswered(pending: Promise<Response>): Promise<boolean> {
  let answered = false
  void pending.then(() => {
    answered = true
  })
  await settled()
  return answered
}

test('a job is told of in JSON, with nothing of its envelope', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('a', { input: '{"name":"Ada"}', priority: 2, createdAtMs: 7, delayMs: 1_000 })])
  expect(await json(await get('/v1/jobs/a'))).toEqual({
    id: 'a',
    task: 'anything',
    queue: 'default',
    state: 'scheduled',
    priority: 2,
    input: { name: 'Ada' },
    createdAtMs: 7,
    dueAtMs: VIRTUAL_START_MS + 1_000,
    finishedAtMs: null,
    expiresAtMs: null,
    attempts: 0,
    lost: 0,
    progress: null,
    result: null,
    error: null,
    tick: null,
    tags: [],
  })
})

test('a succeeded job tells its result and when its record goes', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('a')])
  await settle(broker, succeeded('a', '{"sum":3}'))
  expect(await json(await get('/v1/jobs/a'))).toMatchObject({
    state: 'succeeded',
    result: { sum: 3 },
    finishedAtMs: VIRTUAL_START_MS,
    expiresAtMs: VIRTUAL_START_MS + 60_000,
    dueAtMs: null,
  })
})

test('a failed job tells its error, but not where on the worker it was thrown', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('a')])
  await settle(broker, failed('a', 'no route'))
  for (const path of ['/v1/jobs/a', '/v1/jobs/a/result'])
    expect(await json(await get(path))).toMatchObject({
      state: 'failed',
      error: { name: 'Error', message: 'no route' },
    })
  expect(await (await get('/v1/jobs/a')).text()).not.toContain('tasks.ts')
})

test('the result of a succeeded job', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('a')])
  await settle(broker, succeeded('a', '[3]'))
  const response = await get('/v1/jobs/a/result')
  expect([response.status, await json(response)]).toEqual([200, { id: 'a', state: 'succeeded', result: [3] }])
})

test('a handler that returned nothing leaves null', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('a')])
  await settle(broker, succeeded('a', ''))
  expect(await json(await get('/v1/jobs/a/result'))).toEqual({ id: 'a', state: 'succeeded', result: null })
})

test('the result of a job that ended otherwise says how', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('a'), aJob('b')])
  await settle(broker, failed('a', 'no route'))
  await broker.cancel(['b'])
  const responses = [await get('/v1/jobs/a/result'), await get('/v1/jobs/b/result')]
  expect(responses.map(({ status }) => status)).toEqual([200, 200])
  expect(await Promise.all(responses.map(json))).toEqual([
    { id: 'a', state: 'failed', error: { name: 'Error', message: 'no route' } },
    { id: 'b', state: 'cancelled', error: null },
  ])
})

test('without a wait an unfinished job is answered at once, and nobody is registered as waiting', async () => {
  const { broker, get } = setUp({ wrap: () => ({ wake: { listen: () => Promise.reject(new Error('not wanted')) } }) })
  await broker.enqueue([aJob('a')])
  const response = await get('/v1/jobs/a/result')
  expect(response.status).toBe(202)
  expect(response.headers.get('Retry-After')).toBe('1')
  expect(await json(response)).toEqual({ id: 'a', state: 'queued' })
})

test('a wait ends when the job does', async () => {
  const { broker, clock, get } = setUp()
  await broker.enqueue([aJob('a')])
  const pending = get('/v1/jobs/a/result?wait=10')
  expect(await isAnswered(pending)).toBe(false)
  await settle(broker, succeeded('a', '"done"'))
  await clock.advance(5_000)
  expect(await json(await pending)).toEqual({ id: 'a', state: 'succeeded', result: 'done' })
})

test.each([
  ['in seconds', '?wait=10', {}, 10_000],
  ['in parts of a second', '?wait=0.5', {}, 500],
  ['as a preference', '', { Prefer: 'respond-async, wait=20' }, 20_000],
  ['of the query before a preference', '?wait=5', { Prefer: 'wait=20' }, 5_000],
  ['of a minute at most', '?wait=3600', {}, 60_000],
  ['of a minute at most as a preference', '', { Prefer: 'wait=3600' }, 60_000],
])('a wait %s', async (_, query, headers, waitMs) => {
  const { api, broker, clock } = setUp()
  await broker.enqueue([aJob('a')])
  const pending = Promise.resolve(api.request(`/v1/jobs/a/result${query}`, { headers }))
  await clock.advance(waitMs - 1)
  expect(await isAnswered(pending)).toBe(false)
  await clock.advance(1)
  expect((await pending).status).toBe(202)
})

test.each(['wait=soon', 'wait', 'waits=5', 'respond-async'])(
  'the preference %p is not understood and no error',
  async (prefer) => {
    const { api, broker } = setUp()
    await broker.enqueue([aJob('a')])
    expect((await api.request('/v1/jobs/a/result', { headers: { Prefer: prefer } })).status).toBe(202)
  },
)

test('a wait ends when its caller goes away', async () => {
  const { api, broker } = setUp()
  await broker.enqueue([aJob('a')])
  const caller = new AbortController()
  const pending = Promise.resolve(api.request('/v1/jobs/a/result?wait=60', { signal: caller.signal }))
  expect(await isAnswered(pending)).toBe(false)
  caller.abort()
  expect((await pending).status).toBe(202)
})

test('a caller who has gone before the wait began is not waited for', async () => {
  const { api, broker } = setUp()
  await broker.enqueue([aJob('a')])
  const response = await api.request('/v1/jobs/a/result?wait=60', { signal: AbortSignal.abort() })
  expect(response.status).toBe(202)
})

test('an unknown id is not waited for', async () => {
  const { get } = setUp()
  expect((await get('/v1/jobs/nobody/result?wait=60')).status).toBe(404)
})

test('a job that is removed in the middle of a wait is not known any more', async () => {
  const { broker, clock, get } = setUp()
  await broker.enqueue([aJob('a')])
  const pending = get('/v1/jobs/a/result?wait=60')
  await settled()
  await broker.remove(['a'])
  await clock.advance(10_000)
  expect((await pending).status).toBe(404)
})
