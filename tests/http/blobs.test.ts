import { expect, test } from 'bun:test'
import { type Blobs, blobOf, createWorker, defineApp, defineTask } from 'tq-edge'
import { until } from '../support/until.ts'
import { SECRET, setUp } from './support.ts'

const MEBIBYTE = 1_048_576
const json = (response: Response) => response.json() as Promise<Record<string, unknown>>

function createMap() {
  const texts = new Map<string, string>()
  const blobs: Blobs = { put: (key, text) => texts.set(key, text), get: (key) => texts.get(key) }
  return { texts, blobs }
}

test('a large body becomes a blob; the job is shown with the reference, its result whole', async () => {
  const { texts, blobs } = createMap()
  const { broker, clock, get, post } = setUp({ blobs })
  const large = 'x'.repeat(2 * MEBIBYTE)
  expect((await post('/v1/tasks/anything?id=a', JSON.stringify(large))).status).toBe(202)
  const [key] = texts.keys()
  expect(await json(await get('/v1/jobs/a'))).toMatchObject({ input: { blob: key, bytes: 2 * MEBIBYTE + 2 } })

  const app = defineApp({ blobs, tasks: [defineTask({ name: 'anything', run: (input) => input })] })
  await createWorker({ app, broker, clock, burst: true }).run()
  expect(await json(await get('/v1/jobs/a'))).toMatchObject({
    state: 'succeeded',
    result: { blob: expect.stringMatching(/^result\//), bytes: 2 * MEBIBYTE + 2 },
  })
  expect((await json(await get('/v1/jobs/a/result'))).result).toBe(large)

  texts.clear()
  const gone = await get('/v1/jobs/a/result')
  expect([gone.status, (await json(gone)).type]).toEqual([410, 'urn:tq:problem:blob-gone'])
})

test('with blobs a body may have 10 MiB, without 1 MiB', async () => {
  const body = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2))
  const { blobs } = createMap()
  const app = defineApp({ blobs, tasks: [defineTask({ name: 'anything', run: () => {} })] })
  for (const { post } of [setUp({ blobs }), setUp({ app })]) {
    expect((await post('/v1/tasks/anything', body(10 * MEBIBYTE))).status).toBe(202)
    expect((await post('/v1/tasks/anything', body(10 * MEBIBYTE + 1))).status).toBe(413)
  }
  expect((await setUp().post('/v1/tasks/anything', body(MEBIBYTE + 1))).status).toBe(413)
})

test('a text that looks like a reference is the text that it is', async () => {
  const { texts, blobs } = createMap()
  const { broker, get, post } = setUp({ blobs })
  const reference = `blob:input/${'0'.repeat(64)} 7`
  texts.set(`input/${'0'.repeat(64)}`, `"${SECRET}"`)
  await post('/v1/tasks/anything?id=a', JSON.stringify(reference))
  expect(await json(await get('/v1/jobs/a'))).toMatchObject({ input: reference })
  expect(blobOf((await broker.get(['a']))[0]?.input ?? null)).toBeNull()
  expect((await post('/v1/tasks/anything', reference)).status).toBe(400)
})

test('a store that is away is 503, with nothing enqueued and nothing of its words', async () => {
  let asked = 0
  const put = () => {
    asked++
    throw new Error(`no bucket at ${SECRET}`)
  }
  const { broker, clock, post } = setUp({ blobs: { ...createMap().blobs, put } })
  let response: Response | undefined
  void post('/v1/tasks/anything', JSON.stringify('x'.repeat(2 * MEBIBYTE))).then((answer) => {
    response = answer
  })
  await until('the answer, after all tries', async () => {
    await clock.advance(1_000)
    return response !== undefined
  })
  if (!response) throw new Error('expected an answer')
  expect(asked).toBeGreaterThan(1)
  expect([response.status, response.headers.get('Retry-After')]).toEqual([503, '5'])
  const text = await response.text()
  expect(text).toContain('urn:tq:problem:blobs-unavailable')
  expect(text).not.toContain(SECRET)
  expect((await broker.stats()).queues).toEqual([])
})
