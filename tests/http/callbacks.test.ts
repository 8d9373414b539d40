/** Who may say over REST who is told how a job has ended, and where that arrives. */
import { expect, test } from 'bun:test'
import { createToken } from 'tq-edge/http'
import { fail, lane, succeed } from '../contract/verbs.ts'
import { app, setUp } from './support.ts'

const DONE = 'https://hooks.test/done?a=1'
const BROKEN = 'https://hooks.test/broken'
const QUERY = `onSuccess=${encodeURIComponent(DONE)}&onFailure=${encodeURIComponent(BROKEN)}`

const json = (response: Response) => response.json() as Promise<Record<string, unknown>>

test('a caller says who is told of a job: in the query, or in the body', async () => {
  const { broker, post } = setUp()
  expect((await post(`/v1/tasks/greet?id=a&${QUERY}`, 1)).status).toBe(202)
  const jobs = [
    { task: 'greet', id: 'b', onSuccess: DONE, onFailure: BROKEN },
    { task: 'greet', id: 'c' },
  ]
  expect((await post('/v1/jobs', { jobs })).status).toBe(202)
  const worker = lane(broker)
  const [a, b, c] = await worker.claim(3)
  if (!a || !b || !c) throw new Error('expected three jobs')
  await worker.settle(succeed(a), fail(b), succeed(c))
  const told = await worker.claim(5)
  expect(told.map(({ id, input }) => [id, JSON.parse(input)])).toEqual([
    ['a:onSuccess:1', DONE],
    ['b:onFailure:1', BROKEN],
  ])
})

test.each(['http://', 'ftp://hooks.test/', 'https://me:secret@hooks.test/', `https://hooks.test/${'a'.repeat(2_000)}`])(
  'what is no address is refused where it stands, and not repeated (%.30s)',
  async (url) => {
    const { post, broker } = setUp()
    const ofQuery = await post(`/v1/tasks/greet?onSuccess=${encodeURIComponent(url)}`, 1)
    const ofBody = await post('/v1/jobs', [{ task: 'greet' }, { task: 'greet', onFailure: url }])
    for (const [response, path] of [
      [ofQuery, 'onSuccess'],
      [ofBody, '1.onFailure'],
    ] as const) {
      const problem = await json(response)
      expect([response.status, problem.type]).toEqual([400, 'urn:tq:problem:invalid-request'])
      expect(problem.errors).toMatchObject([{ path, message: expect.stringContaining('expected an address') }])
      expect(JSON.stringify(problem)).not.toContain(url)
    }
    expect((await broker.list({})).jobs).toEqual([])
  },
)

test('whoever says where a result goes has to be one who may read it', async () => {
  const tokenOf = async (...scopes: string[]) => await createToken({ scopes, name: 'ci' })
  const [enqueues, reads, admin] = [
    await tokenOf('enqueue:*', 'operate', 'work:*'),
    await tokenOf('enqueue:anything', 'read'),
    await tokenOf('admin'),
  ]
  const { post, broker } = setUp({ app, tokens: [enqueues, reads, admin].map(({ record }) => record) })
  const as = (token: string) => ({ Authorization: `Bearer ${token}` })
  const body = { jobs: [{ task: 'anything' }, { task: 'anything', onFailure: BROKEN }] }
  for (const response of [
    await post(`/v1/tasks/anything?${QUERY}`, 1, as(enqueues.token)),
    await post('/v1/jobs', body, as(enqueues.token)),
    await post('/v1/jobs', { task: 'anything', onSuccess: DONE }, as(enqueues.token)),
  ]) {
    const problem = await json(response)
    expect([response.status, problem.type]).toEqual([403, 'urn:tq:problem:forbidden'])
    expect(problem.detail).toContain('"read"')
  }
  expect((await broker.list({})).jobs).toEqual([])
  expect((await post('/v1/tasks/anything', 1, as(enqueues.token))).status).toBe(202)
  for (const { token } of [reads, admin]) {
    expect((await post(`/v1/tasks/anything?${QUERY}`, 1, as(token))).status).toBe(202)
    expect((await post('/v1/jobs', body, as(token))).status).toBe(202)
  }
})

test('nobody enqueues a callback over REST, by no route and with no id', async () => {
  for (const given of [{ app }, {}]) {
    const { post, broker } = setUp(given)
    const forged = { task: 'tq.callback', id: 'victim:onSuccess:1', input: 'https://evil.test/' }
    for (const response of [
      await post('/v1/tasks/tq.callback?id=victim:onSuccess:1', '"https://evil.test/"'),
      await post('/v1/jobs', forged),
      await post('/v1/jobs', [forged]),
    ])
      expect([400, 404, 422]).toContain(response.status)
    expect((await broker.list({})).jobs).toEqual([])
  }
})

test("a worker over REST says who is told of its tasks' jobs", async () => {
  const { post, broker } = setUp()
  await post('/v1/tasks/greet?id=a', 1)
  const exchange = { lane: 'bash.1.0', want: 1 }
  await post('/v1/exchange', { ...exchange, seq: 1 })
  const settle = [{ id: 'a', epoch: 1, kind: 'succeeded', result: 1 }]
  const wrong = { 'not a task': { onSuccess: DONE }, greet: { onSuccess: 'https://hooks.test/a|b' } }
  const more = { 'tq.callback': { onSuccess: DONE }, mail: { onSuccess: 'https://me:secret@hooks.test/' } }
  for (const [task, callbacks] of Object.entries({ ...wrong, ...more })) {
    const response = await post('/v1/exchange', { ...exchange, seq: 2, settle, callbacks: { [task]: callbacks } })
    expect(response.status).toBe(400)
  }
  const callbacks = { greet: { onSuccess: DONE } }
  const { jobs } = await json(await post('/v1/exchange', { ...exchange, seq: 2, settle, callbacks }))
  expect(jobs).toMatchObject([{ id: 'a:onSuccess:1', task: 'tq.callback', input: DONE }])
  expect((await broker.list({ task: 'tq.callback' })).jobs.length).toBe(1)
})
