import { expect, test } from 'bun:test'
import type { Broker } from '../../src/broker.ts'
import { settled } from '../support/clock.ts'
import { aJob, failed, setUp, succeeded } from './support.ts'

/** What has come over a stream, and whether it has ended. */
function listen(response: Response) {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const heard = { text: '', ended: false, hangUp: () => reader.cancel() }
  void (async () => {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read())
      heard.text += new TextDecoder().decode(chunk.value)
    heard.ended = true
  })()
  return heard
}

const eventsOf = (text: string) =>
  [...text.matchAll(/id: (\S+)\nevent: job\ndata: (.*)\n\n/g)].map(([, eventId = '', data = '']) => ({
    eventId,
    ...(JSON.parse(data) as { state: string }),
  }))

const EXCHANGE = {
  lane: 'w.1.0',
  queues: ['default'],
  takeLost: true,
  leaseMs: 300_000,
  waitMs: 0,
  settle: [],
  extend: [],
}

async function claim(broker: Broker): Promise<number> {
  const { jobs } = await broker.exchange({ ...EXCHANGE, want: 1, seq: 1 })
  return jobs[0]?.epoch ?? 0
}

test('a stream tells what the job is, what a look has found, and its end at once', async () => {
  const { api, broker, clock } = setUp()
  await broker.enqueue([aJob('a')])
  const response = await api.request('/v1/jobs/a/events')
  expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'text/event-stream'])
  const heard = listen(response)
  await settled()
  expect(eventsOf(heard.text)).toMatchObject([{ state: 'queued', progress: null }])

  const epoch = await claim(broker)
  await broker.exchange({ ...EXCHANGE, want: 0, seq: 2, extend: [{ id: 'a', epoch, progress: '0.5' }] })
  await clock.advance(5_000)
  expect(eventsOf(heard.text).at(-1)).toMatchObject({ state: 'active', progress: 0.5 })

  await broker.exchange({ ...EXCHANGE, want: 0, seq: 3, settle: [succeeded('a', '"done"')(epoch)] })
  await clock.advance(1)
  expect(eventsOf(heard.text).map(({ state }) => state)).toEqual(['queued', 'active', 'succeeded'])
  expect(eventsOf(heard.text).at(-1)).toMatchObject({ result: 'done', error: null })
  expect(heard.ended).toBe(true)
})

test('what has not changed is told once, and a beat keeps the line open', async () => {
  const { api, broker, clock } = setUp()
  await broker.enqueue([aJob('a')])
  const heard = listen(await api.request('/v1/jobs/a/events'))
  await clock.advance(30_000)
  expect(eventsOf(heard.text)).toHaveLength(1)
  expect(heard.text.split(':\n\n')).toHaveLength(3)
  expect(heard.ended).toBe(false)
})

test('a client that comes again is told only what is another than it knows', async () => {
  const { api, broker, clock } = setUp()
  await broker.enqueue([aJob('a')])
  const first = listen(await api.request('/v1/jobs/a/events'))
  await settled()
  const headers = { 'Last-Event-ID': eventsOf(first.text)[0]?.eventId ?? '' }
  const again = listen(await api.request('/v1/jobs/a/events', { headers }))
  await clock.advance(10_000)
  expect(again.text).toBe('retry: 1000\n\n')
  await broker.cancel(['a'])
  await clock.advance(5_000)
  expect(eventsOf(again.text)).toMatchObject([{ state: 'cancelled' }])
  const last = { 'Last-Event-ID': eventsOf(again.text)[0]?.eventId ?? '' }
  expect((await api.request('/v1/jobs/a/events', { headers: last })).status).toBe(204)
})

test('a job that has finished is told of in one event, without where on the worker it was thrown', async () => {
  const { api, broker } = setUp()
  await broker.enqueue([aJob('a')])
  const epoch = await claim(broker)
  await broker.exchange({ ...EXCHANGE, want: 0, seq: 2, settle: [failed('a', 'no route')(epoch)] })
  const text = await (await api.request('/v1/jobs/a/events')).text()
  expect(eventsOf(text)).toMatchObject([{ state: 'failed', error: { name: 'Error', message: 'no route' } }])
  expect(text).not.toContain('tasks.ts')
})

test('a job that is removed in the middle is gone, and one that never was is 404', async () => {
  const { api, broker, clock } = setUp()
  await broker.enqueue([aJob('a')])
  const heard = listen(await api.request('/v1/jobs/a/events'))
  await settled()
  await broker.remove(['a'])
  await clock.advance(5_000)
  expect([heard.text.endsWith('event: gone\ndata: {"id":"a"}\n\n'), heard.ended]).toEqual([true, true])
  expect((await api.request('/v1/jobs/a/events')).status).toBe(404)
  expect((await api.request('/v1/jobs/b/events?since=1')).status).toBe(400)
})

test('a hundred streams share one look, and a stream that nobody listens to looks no more', async () => {
  const looks: number[] = []
  const { api, broker, clock } = setUp({
    wrap: (inner) => ({
      get: (ids, options) => {
        looks.push(ids.length)
        return inner.get(ids, options)
      },
    }),
  })
  const ids = Array.from({ length: 100 }, (_, at) => `job-${at}`)
  await broker.enqueue(ids.map((id) => aJob(id)))
  const heard = await Promise.all(ids.map(async (id) => listen(await api.request(`/v1/jobs/${id}/events`))))
  await clock.advance(1_000)
  looks.length = 0
  await clock.advance(2_000)
  // One more has itself looked at, and puts off nobody's look.
  await broker.enqueue([aJob('one more')])
  heard.push(listen(await api.request('/v1/jobs/one%20more/events')))
  await clock.advance(3_000)
  expect(looks).toEqual([1, 1, 101])
  await Promise.all(heard.map((one) => one.hangUp()))
  await clock.advance(1_000)
  looks.length = 0
  await clock.advance(60_000)
  expect(looks).toEqual([])
})

test('a HEAD opens no stream, which nobody would end', async () => {
  const { api, broker } = setUp({ maxStreams: 1 })
  await broker.enqueue([aJob('a')])
  for (let at = 0; at < 3; at++)
    expect((await api.request('/v1/jobs/a/events', { method: 'HEAD' })).headers.get('Content-Type')).toBe(
      'text/event-stream',
    )
  expect((await api.request('/v1/jobs/a/events')).status).toBe(200)
})

test('beyond the most streams a further one is 503, until one has ended', async () => {
  const { api, broker, clock } = setUp({ maxStreams: 2 })
  await broker.enqueue([aJob('a')])
  const [first] = [listen(await api.request('/v1/jobs/a/events')), listen(await api.request('/v1/jobs/a/events'))]
  const refused = await api.request('/v1/jobs/a/events')
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '10'])
  expect(await refused.json()).toMatchObject({ type: 'urn:tq:problem:too-many-streams' })
  await first.hangUp()
  await clock.advance(1)
  expect((await api.request('/v1/jobs/a/events')).status).toBe(200)
})

test('a stream ends after five minutes, and one whose broker is gone at once: the client comes again', async () => {
  const { api, broker, clock } = setUp()
  await broker.enqueue([aJob('a')])
  const heard = listen(await api.request('/v1/jobs/a/events'))
  await clock.advance(299_000)
  expect(heard.ended).toBe(false)
  await clock.advance(1_000)
  expect(heard.ended).toBe(true)

  const broken = setUp({
    wrap: (inner) => ({
      get: (ids, options) => (options?.waiter ? Promise.reject(new Error('the disk is gone')) : inner.get(ids)),
    }),
  })
  await broken.broker.enqueue([aJob('a')])
  const other = listen(await broken.api.request('/v1/jobs/a/events'))
  await broken.clock.advance(1)
  expect([other.ended, other.text.includes('disk')]).toEqual([true, false])
})
