import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { BrokerUnavailable } from 'tq-edge'
import { createSchedules } from 'tq-edge/scheduler'
import { v7 as newId } from 'uuid'
import { tickJobId } from '../../src/job.ts'
import { VIRTUAL_START_MS } from '../support/clock.ts'
import { app, setUp } from './support.ts'

const json = (response: Response) => response.json() as Promise<Record<string, unknown>>

test('a posted body becomes the input of a job, answered with 202 and where to find it', async () => {
  const { broker, post } = setUp()
  const response = await post('/v1/tasks/greet', { name: 'Ada' })
  expect(response.status).toBe(202)
  expect(response.headers.get('Location')).toBe('/v1/jobs/id-1')
  expect(await json(response)).toEqual({ id: 'id-1', state: 'queued' })
  expect(await broker.get(['id-1'])).toMatchObject([{ task: 'greet', queue: 'default', input: '{"name":"Ada"}' }])
})

test('an empty body is no input, whatever content type it claims', async () => {
  const { broker, post } = setUp()
  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded'])
    expect((await post('/v1/tasks/tidy', undefined, { 'Content-Type': type })).status).toBe(202)
  expect((await broker.get(['id-1', 'id-2', 'id-3'])).map((job) => job?.input)).toEqual(['', '', ''])
})

test('options travel in the query', async () => {
  const { broker, post } = setUp()
  const response = await post('/v1/tasks/greet?delayMs=60000&priority=-5&queue=slow&id=mine', 1)
  expect(await json(response)).toEqual({ id: 'mine', state: 'scheduled' })
  expect(await broker.get(['mine'])).toMatchObject([
    { queue: 'slow', priority: -5, state: 'scheduled', atMs: VIRTUAL_START_MS + 60_000 },
  ])
})

test('nobody takes an id that tq makes: whoever is to get it would have no job', async () => {
  const schedules = (given: Parameters<typeof createSchedules>[0]) => createSchedules(given)
  const { broker, post } = setUp({ schedules })
  const [keyed, more, told] = [`key-${'0a'.repeat(16)}`, `key-${'0a'.repeat(16)}.1`, 'order-1\u2028:onFailure:1']
  const tick = tickJobId('report', newId(), VIRTUAL_START_MS)
  for (const id of [keyed, more, told, 'order-1:onSuccess:12', tick])
    for (const [path, body, at] of [
      [`/v1/tasks/greet?id=${encodeURIComponent(id)}`, 1, 'id'],
      ['/v1/jobs', { task: 'greet', id }, 'id'],
      ['/v1/jobs', [{ task: 'greet' }, { task: 'greet', id }], '1.id'],
      [`/v1/schedules/report/run?id=${encodeURIComponent(id)}`, undefined, 'id'],
    ] as const) {
      const response = await post(path, body)
      expect([response.status, (await json(response)).errors]).toMatchObject([400, [{ path: at }]])
    }
  expect((await broker.list({})).jobs).toEqual([])
  for (const id of [
    'key-1',
    `key-${'0a'.repeat(17)}`,
    'a:onSuccess',
    'a:onSuccess:x',
    newId(),
    `a:${newId()}`,
    'a:1:2',
  ])
    expect((await post(`/v1/tasks/greet?id=${id}`, 1)).status).toBe(202)
})

test('every name a task may have and every id find their way through a path', async () => {
  const { broker, post, get } = setUp()
  const response = await post('/v1/tasks/billing%2Fv2:send?id=a%2Fb%20%C3%BC%25')
  expect(response.headers.get('Location')).toBe('/v1/jobs/a%2Fb%20%C3%BC%25')
  expect(await broker.get(['a/b ü%'])).toMatchObject([{ task: 'billing/v2:send' }])
  expect((await get('/v1/jobs/a%2Fb%20%C3%BC%25')).status).toBe(200)
})

test('any media type of JSON will do, and none at all', async () => {
  const { api, post } = setUp()
  for (const type of ['application/json', 'APPLICATION/JSON; charset=utf-8', 'application/cloudevents+json'])
    expect((await post('/v1/tasks/greet', '1', { 'Content-Type': type })).status).toBe(202)
  const untyped = await api.request('/v1/tasks/greet', { method: 'POST', body: new TextEncoder().encode('{"a":1}') })
  expect(untyped.status).toBe(202)
})

test('the same id again answers the state that its job has by now', async () => {
  const { broker, post, events } = setUp()
  await post('/v1/tasks/greet?id=once', { name: 'Ada' })
  await broker.cancel(['once'])
  const again = await post('/v1/tasks/greet?id=once', { name: 'Ada' })
  expect(again.status).toBe(202)
  expect(again.headers.get('Location')).toBe('/v1/jobs/once')
  expect(await json(again)).toEqual({ id: 'once', state: 'cancelled', deduplicated: true })
  expect(events.filter(({ kind }) => kind === 'job.enqueued')).toHaveLength(1)
})

test('the same id of a job that was removed creates nothing, and there is no state to tell', async () => {
  const { broker, post } = setUp()
  await post('/v1/tasks/greet?id=once')
  await broker.remove(['once'])
  expect(await json(await post('/v1/tasks/greet?id=once'))).toEqual({ id: 'once', state: null, deduplicated: true })
})

test('a job whose first reply was lost is still a new one to a caller who gave no id', async () => {
  let calls = 0
  const { clock, post, events } = setUp({
    wrap: (broker) => ({
      async enqueue(jobs) {
        const outcomes = await broker.enqueue(jobs)
        if (calls++ === 0) throw new BrokerUnavailable('test', 'no reply')
        return outcomes
      },
    }),
  })
  const pending = post('/v1/tasks/greet')
  await clock.advance(1_000)
  expect(await json(await pending)).toEqual({ id: 'id-1', state: 'queued' })
  expect(events.map(({ kind }) => kind)).toEqual(['broker.retrying', 'job.enqueued', 'http.request'])
})

test('a job is stored although its state cannot be read back', async () => {
  const { post } = setUp({ wrap: () => ({ get: async () => Promise.reject(new BrokerUnavailable('test', 'gone')) }) })
  await post('/v1/tasks/greet?id=once')
  expect(await json(await post('/v1/tasks/greet?id=once'))).toEqual({ id: 'once', state: null, deduplicated: true })
})

test('one job with all its options', async () => {
  const { broker, post } = setUp()
  const dueAtMs = VIRTUAL_START_MS + 5_000
  const response = await post('/v1/jobs', { task: 't', input: [1], id: 'a', queue: 'q', priority: 3, dueAtMs })
  expect(response.status).toBe(202)
  expect(response.headers.get('Location')).toBe('/v1/jobs/a')
  expect(await json(response)).toEqual({ id: 'a', state: 'scheduled' })
  expect(await broker.get(['a'])).toMatchObject([{ task: 't', input: '[1]', queue: 'q', priority: 3, atMs: dueAtMs }])
})

test('a job is tagged in the query or in the body, and so read back', async () => {
  const { post, get } = setUp()
  await post('/v1/tasks/anything?id=a&tag=eu&tag=monthly')
  await post('/v1/tasks/anything?id=b&tag=eu')
  await post('/v1/jobs', { task: 't', id: 'c', tags: ['eu', 'eu'] })
  await post('/v1/jobs', [{ task: 't', id: 'd' }])
  const tagsOf = async (id: string) => (await json(await get(`/v1/jobs/${id}`))).tags
  expect(await Promise.all(['a', 'b', 'c', 'd'].map(tagsOf))).toEqual([['eu', 'monthly'], ['eu'], ['eu'], []])
})

test('a due time in the past is now', async () => {
  const { post } = setUp()
  expect(await json(await post('/v1/jobs', { task: 't', dueAtMs: 1 }))).toEqual({ id: 'id-1', state: 'queued' })
})

test('null is an input, and no input is none', async () => {
  const { broker, post } = setUp()
  await post('/v1/jobs', [{ task: 't', input: null }, { task: 't' }])
  expect((await broker.get(['id-1', 'id-2'])).map((job) => job?.input)).toEqual(['null', ''])
})

test('many jobs go to the broker in one call and are answered in order, under either form', async () => {
  let calls = 0
  const { post, events } = setUp({
    wrap: (broker) => ({
      enqueue(jobs) {
        calls++
        return broker.enqueue(jobs)
      },
    }),
  })
  const jobs = Array.from({ length: 1_000 }, (_, at) => ({ task: 't', input: at, delayMs: at % 2 }))
  const answers = jobs.map(({ delayMs }, at) => ({ id: `id-${at + 1}`, state: delayMs ? 'scheduled' : 'queued' }))
  const response = await post('/v1/jobs', { jobs })
  expect(response.status).toBe(202)
  expect(await json(response)).toEqual({ jobs: answers })
  expect(calls).toBe(1)
  expect(events.filter(({ kind }) => kind === 'job.enqueued')).toHaveLength(1_000)
  expect(await json(await post('/v1/jobs', [{ task: 't' }]))).toEqual({ jobs: [{ id: 'id-1001', state: 'queued' }] })
})

test('requests that come at once share calls of the broker, each with an answer of its own', async () => {
  const sizes: number[] = []
  const { broker, post } = setUp({
    tokens: Array.from({ length: 100 }, (_, at) => `token-${at}`),
    wrap: (real) => ({
      enqueue(jobs) {
        sizes.push(jobs.length)
        return real.enqueue(jobs)
      },
    }),
  })
  const send = async (input: number) =>
    post('/v1/tasks/anything', input, { Authorization: `Bearer token-${input % 100}` })
  const answers = await Promise.all(Array.from({ length: 200 }, (_, at) => send(at).then(json)))
  expect(new Set(answers.map(({ id }) => id)).size).toBe(200)
  const jobs = await broker.get(answers.map(({ id }) => id as string))
  expect(jobs.map((job) => job?.input)).toEqual(answers.map((_, at) => String(at)))
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(200)
  // Checking their tokens takes them apart: how far depends on the machine.
  expect(sizes.length).toBeLessThan(50)
})

test('no jobs are none', async () => {
  const { post } = setUp()
  const response = await post('/v1/jobs', [])
  expect([response.status, await json(response)]).toEqual([202, { jobs: [] }])
})

test('where only some of many are taken, 207 tells of each', async () => {
  const { broker, post } = setUp()
  await post('/v1/jobs', { task: 't', id: 'taken', input: 1 })
  const response = await post('/v1/jobs', [
    { task: 't', id: 'new' },
    { task: 't', id: 'taken', input: 2 },
    { task: 't', id: 'taken', input: 1 },
  ])
  expect(response.status).toBe(207)
  expect(await json(response)).toMatchObject({
    jobs: [
      { id: 'new', state: 'queued' },
      { id: 'taken', problem: { type: 'urn:tq:problem:job-conflict', status: 409 } },
      { id: 'taken', state: 'queued', deduplicated: true },
    ],
  })
  expect(await broker.get(['new'])).toMatchObject([{ state: 'queued' }])
})

test('where none of many is taken, the answer is the first refusal', async () => {
  const { post } = setUp()
  await post('/v1/jobs', { task: 't', id: 'taken', input: 1 })
  expect((await post('/v1/jobs', [{ task: 't', id: 'taken', input: 2 }])).status).toBe(409)
})

test('one wrong job among many and none is stored; the problem says which', async () => {
  const { broker, post } = setUp({ app })
  const good = { task: 'email.send', input: { to: 'ada@example.com' }, id: 'good' }
  const wrongInput = await post('/v1/jobs', { jobs: [good, { task: 'email.send', input: { to: 'ada' } }] })
  expect(wrongInput.status).toBe(422)
  expect(await json(wrongInput)).toMatchObject({ errors: [{ path: 'jobs.1.input.to' }] })
  const wrongTask = await post('/v1/jobs', [good, { task: 'email.sent' }])
  expect(wrongTask.status).toBe(404)
  expect(await json(wrongTask)).toMatchObject({ suggestion: 'email.send', errors: [{ path: '1.task' }] })
  expect(await broker.get(['good'])).toEqual([null])
})

test('a schema that takes its time is waited for', async () => {
  const { post } = setUp({ app })
  expect((await post('/v1/tasks/checked.late', '"right"')).status).toBe(202)
  expect((await post('/v1/tasks/checked.late', '"wrong"')).status).toBe(422)
})

test('events tell of the job, with its queue, and of the request, without its query', async () => {
  const { post, events } = setUp()
  await post('/v1/tasks/greet?queue=slow', { name: 'Ada' })
  expect(events).toEqual([
    { kind: 'job.enqueued', id: 'id-1', task: 'greet', queue: 'slow', by: 'api' },
    { kind: 'http.request', method: 'POST', path: '/v1/tasks/greet', status: 202, durationMs: 0 },
  ])
})

test('every JSON value is stored as the very value that was posted', async () => {
  const { broker, post } = setUp()
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const { id } = await json(await post('/v1/tasks/greet', JSON.stringify(value)))
      const [job] = await broker.get([id as string])
      expect(job?.input).toBe(JSON.stringify(value))
    }),
  )
})

test('a key named __proto__ is data: it reaches the job and nothing else', async () => {
  const { broker, post } = setUp()
  const body = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'
  expect((await post('/v1/tasks/greet', body)).status).toBe(202)
  expect((await broker.get(['id-1']))[0]?.input).toBe(body)
  expect((await post('/v1/jobs', '{"__proto__":{"task":"greet"}}')).status).toBe(400)
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
})
