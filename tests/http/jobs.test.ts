import { expect, test } from 'bun:test'
import { VIRTUAL_START_MS } from '../support/clock.ts'
import { aJob, failed, settle, setUp, succeeded } from './support.ts'

const json = (response: Response) => response.json() as Promise<Record<string, unknown>>
const kindOf = async (response: Response) => String((await json(response)).type).replace('urn:tq:problem:', '')
const idsOf = async (response: Response) => ((await json(response)).jobs as { id: string }[]).map(({ id }) => id)

test('jobs are listed page by page, newest first, each as it is told of alone', async () => {
  const { broker, get } = setUp()
  await broker.enqueue(['a', 'b', 'c'].map((id) => aJob(id, { input: '{"n":1}' })))
  const first = await json(await get('/v1/jobs?limit=2'))
  expect(first.jobs).toEqual([await json(await get('/v1/jobs/c')), await json(await get('/v1/jobs/b'))])
  const rest = await json(await get(`/v1/jobs?limit=2&cursor=${encodeURIComponent(String(first.cursor))}`))
  expect(rest).toMatchObject({ jobs: [{ id: 'a' }], cursor: null })
})

test('a list is narrowed by state, queue, task and tag', async () => {
  const { broker, get } = setUp()
  await broker.enqueue([aJob('failed')])
  await settle(broker, failed('failed', 'no route'))
  await broker.enqueue([aJob('later', { delayMs: 1_000 }), aJob('mail', { queue: 'mail' }), aJob('t', { task: 't' })])
  await broker.enqueue([aJob('tagged', { tags: ['us', 'eu'] })])
  expect(await idsOf(await get('/v1/jobs?state=failed'))).toEqual(['failed'])
  expect(await idsOf(await get('/v1/jobs?state=failed,scheduled'))).toEqual(['later', 'failed'])
  expect(await idsOf(await get('/v1/jobs?queue=mail'))).toEqual(['mail'])
  expect(await idsOf(await get('/v1/jobs?task=t&queue=mail'))).toEqual([])
  expect(await idsOf(await get('/v1/jobs?tag=eu'))).toEqual(['tagged'])
  expect(await idsOf(await get('/v1/jobs?tag=eu&state=failed'))).toEqual([])
  expect(await idsOf(await get(`/v1/jobs?finishedFromMs=${VIRTUAL_START_MS}`))).toEqual(['failed'])
  expect(await idsOf(await get(`/v1/jobs?finishedToMs=${VIRTUAL_START_MS}`))).toEqual([])
  expect(await idsOf(await get('/v1/jobs?createdFromMs=1&createdToMs=5'))).toEqual([])
})

test.each([
  'state=gone',
  'state=',
  'state=failed,,queued',
  'states=failed',
  'queue=',
  'queue=a&queue=b',
  'tag=',
  'tag=a&tag=b',
  'tag=a,b',
  `task=${'x'.repeat(201)}`,
  'limit=0',
  'createdFromMs=yesterday',
  'createdToMs=-1',
  'finishedFromMs=1e99',
  'finishedToMs=9999999999999999',
  'limit=1001',
  'limit=1.5',
  'limit=many',
  'cursor=%27;drop',
  `cursor=${'9'.repeat(2_001)}`,
  '__proto__=1',
])('a list of %p is refused', async (query) => {
  const { get } = setUp()
  const response = await get(`/v1/jobs?${query}`)
  expect(response.status).toBe(400)
  expect(await kindOf(response)).toBe('invalid-request')
})

test('a job that waits is cancelled at once, and again without harm', async () => {
  const { broker, post, get } = setUp()
  await broker.enqueue([aJob('a')])
  for (let sent = 0; sent < 2; sent++) {
    const response = await post('/v1/jobs/a/cancel')
    expect([response.status, await json(response)]).toEqual([200, { id: 'a', outcome: 'cancelled' }])
  }
  expect(await json(await get('/v1/jobs/a'))).toMatchObject({ state: 'cancelled' })
})

test('a job that runs is asked to end: 202, with where to look', async () => {
  const { broker, post } = setUp()
  await broker.enqueue([aJob('a/b')])
  await claim(broker)
  const response = await post('/v1/jobs/a%2Fb/cancel')
  expect([response.status, response.headers.get('Location')]).toEqual([202, '/v1/jobs/a%2Fb'])
  expect(await json(response)).toEqual({ id: 'a/b', outcome: 'asked' })
})

test('a failed job is run again', async () => {
  const { broker, post, get } = setUp()
  await broker.enqueue([aJob('a')])
  await settle(broker, failed('a', 'no route'))
  const response = await post('/v1/jobs/a/retry')
  expect([response.status, await json(response)]).toEqual([200, { id: 'a', outcome: 'queued' }])
  expect(await json(await get('/v1/jobs/a'))).toMatchObject({ state: 'queued', attempts: 0 })
})

test('a job that is due later is due now', async () => {
  const { broker, post, get } = setUp()
  await broker.enqueue([aJob('a', { delayMs: 60_000 })])
  for (let sent = 0; sent < 2; sent++) {
    const response = await post('/v1/jobs/a/promote')
    if (sent === 0) expect([response.status, await json(response)]).toEqual([200, { id: 'a', outcome: 'queued' }])
    // By then it is queued, and not to be made due any more.
    else expect(response.status).toBe(409)
  }
  expect(await json(await get('/v1/jobs/a'))).toMatchObject({ state: 'queued', dueAtMs: null })
})

test('a job is removed, and then there is none', async () => {
  const { api, broker, get } = setUp()
  await broker.enqueue([aJob('a')])
  const response = await api.request('/v1/jobs/a', { method: 'DELETE' })
  expect([response.status, await json(response)]).toEqual([200, { id: 'a', outcome: 'removed' }])
  expect((await get('/v1/jobs/a')).status).toBe(404)
  expect((await api.request('/v1/jobs/a', { method: 'DELETE' })).status).toBe(404)
})

const CHANGES: [method: string, path: string][] = [
  ['POST', '/cancel'],
  ['POST', '/retry'],
  ['POST', '/promote'],
  ['DELETE', ''],
]

test.each(CHANGES)('%s %s of an unknown job is 404', async (method, path) => {
  const { api } = setUp()
  expect(await kindOf(await api.request(`/v1/jobs/nobody${path}`, { method }))).toBe('unknown-job')
})

test.each(CHANGES)('%s %s takes no parameters', async (method, path) => {
  const { api, broker } = setUp()
  await broker.enqueue([aJob('a')])
  expect(await kindOf(await api.request(`/v1/jobs/a${path}?force=1`, { method }))).toBe('invalid-request')
  expect(await broker.get(['a'])).toMatchObject([{ state: 'queued' }])
})

test('what a state does not allow is 409 and says the state', async () => {
  const { api, broker, post } = setUp()
  await broker.enqueue([aJob('done')])
  await settle(broker, succeeded('done', '1'))
  await broker.enqueue([aJob('held')])
  await claim(broker, 'w.1.1')
  for (const [response, state] of [
    [await post('/v1/jobs/done/cancel'), 'succeeded'],
    [await post('/v1/jobs/done/retry'), 'succeeded'],
    [await post('/v1/jobs/held/retry'), 'active'],
    [await post('/v1/jobs/held/promote'), 'active'],
    [await api.request('/v1/jobs/held', { method: 'DELETE' }), 'active'],
  ] as const) {
    expect(response.status).toBe(409)
    expect(await json(response)).toMatchObject({
      type: 'urn:tq:problem:job-state',
      detail: expect.stringContaining(`got ${state}`),
    })
  }
})

test('a job that has not changed is not told again', async () => {
  const { api, broker, get } = setUp()
  await broker.enqueue([aJob('a')])
  const first = await get('/v1/jobs/a')
  const tag = first.headers.get('ETag') ?? ''
  expect([tag, first.headers.get('Cache-Control')]).toEqual([
    expect.stringMatching(/^"0\.[0-9a-f]{16}"$/),
    'private, no-cache',
  ])
  const ask = (ifNoneMatch: string) => api.request('/v1/jobs/a', { headers: { 'If-None-Match': ifNoneMatch } })
  for (const same of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const response = await ask(same)
    expect([response.status, await response.text(), response.headers.get('ETag')]).toEqual([304, '', tag])
    expect(['Cache-Control', 'Content-Type'].map((name) => response.headers.get(name))).toEqual([
      'private, no-cache',
      null,
    ])
  }
  expect((await ask('"other"')).status).toBe(200)
  await broker.cancel(['a'])
  expect((await ask(tag)).status).toBe(200)
})

test('progress changes the tag, a lease that goes on does not', async () => {
  const { broker, clock, get } = setUp()
  await broker.enqueue([aJob('a')])
  const epoch = await claim(broker)
  const tag = async () => (await get('/v1/jobs/a')).headers.get('ETag')
  const extend = async (seq: number, progress?: string) => {
    await clock.advance(1_000)
    await broker.exchange({
      ...EXCHANGE,
      seq,
      want: 0,
      extend: [{ id: 'a', epoch, ...(progress ? { progress } : {}) }],
    })
    return tag()
  }
  const before = await tag()
  expect(await extend(2)).toBe(before)
  const tags = [before, await extend(3, '0.5'), await extend(4, '0.6'), await extend(5, '0.7')]
  expect(new Set(tags).size).toBe(4)
})

test('a change that is based on what the caller saw is made only if the job is still that', async () => {
  const { api, broker, get } = setUp()
  await broker.enqueue([aJob('a')])
  await settle(broker, failed('a', 'no route'))
  const seen = (await get('/v1/jobs/a')).headers.get('ETag') ?? ''
  const change = (method: string, path: string, ifMatch: string) =>
    api.request(`/v1/jobs/a${path}`, { method, headers: { 'If-Match': ifMatch } })

  for (const [method, path] of CHANGES)
    for (const other of ['"7.0000000000000000"', 'W/"0"', '"'])
      expect(await kindOf(await change(method, path, other))).toBe('changed')
  // Sent again at once, it is as asked for.
  for (let sent = 0; sent < 2; sent++) expect((await change('POST', '/retry', seen)).status).toBe(200)
  await settle(broker, failed('a', 'no route'), 'w.1.1')
  // A late copy: the job has failed again since, and is not run again for it.
  const late = await change('POST', '/retry', seen)
  expect([late.status, await kindOf(late)]).toEqual([412, 'changed'])
  expect((await change('DELETE', '', '*')).status).toBe(200)
})

test('a retry that says what it saw is one call of the broker', async () => {
  const calls: string[] = []
  const { api, broker } = setUp({
    wrap: (inner) => ({
      get: (ids) => {
        calls.push('get')
        return inner.get(ids)
      },
      retry: (refs) => {
        calls.push('retry')
        return inner.retry(refs)
      },
    }),
  })
  await broker.enqueue([aJob('a')])
  await settle(broker, failed('a', 'no route'))
  const tag = (await api.request('/v1/jobs/a')).headers.get('ETag') ?? ''
  calls.length = 0
  await api.request('/v1/jobs/a/retry', { method: 'POST', headers: { 'If-Match': tag } })
  expect(calls).toEqual(['retry'])
})

const EXCHANGE = {
  lane: 'w.1.0',
  queues: ['default'],
  want: 1,
  takeLost: true,
  leaseMs: 30_000,
  waitMs: 0,
  settle: [],
  extend: [],
}

async function claim(broker: ReturnType<typeof setUp>['broker'], lane = EXCHANGE.lane): Promise<number> {
  const { jobs, nowMs } = await broker.exchange({ ...EXCHANGE, lane, seq: 1 })
  expect(nowMs).toBe(VIRTUAL_START_MS)
  return jobs[0]?.epoch ?? 0
}
