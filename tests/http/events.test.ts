import { expect, test } from 'bun:test'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createApi } from 'tq-edge/http'
import type { Broker } from '../../src/broker.ts'
import { BrokerUnavailable } from '../../src/errors.ts'
import { createVirtualClock, settled } from '../support/clock.ts'
import { aJob, failed, settle, setUp } from './support.ts'

/** An API on a broker that keeps events, and how often it was asked for them. */
function setUpEvents({ maxEvents = 100_000, maxStreams = 100, wrap = (broker: Broker) => broker } = {}) {
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path: ':memory:', clock, random: () => 0.5, events: { maxEvents } })
  const reads: unknown[] = []
  const watched: Broker = {
    ...broker,
    transitions: async (query) => {
      reads.push(query)
      return (broker.transitions as NonNullable<Broker['transitions']>)(query)
    },
  }
  const api = createApi({ broker: wrap(watched), tokens: 'none', clock, random: () => 0.5, maxStreams })
  const open = async (query = '', headers: Record<string, string> = {}) =>
    listen(await api.request(`/v1/events${query}`, { headers }))
  return { api, broker, clock, reads, open }
}

interface Heard {
  text: string
  ended: boolean
  readonly status: number
  hangUp(): Promise<void>
  /** `id state` of each event `job`. */
  jobs(): string[]
  /** What a client would send as `Last-Event-ID`. */
  lastId(): string
}

function listen(response: Response): Heard {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const heard: Heard = {
    text: '',
    ended: false,
    status: response.status,
    hangUp: () => reader.cancel(),
    jobs: () =>
      [...heard.text.matchAll(/event: job\ndata: (.*)\n\n/g)].map(([, data = '']) => {
        const { id, state } = JSON.parse(data)
        return `${id} ${state}`
      }),
    lastId: () => [...heard.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '',
  }
  void (async () => {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read())
      heard.text += new TextDecoder().decode(chunk.value)
    heard.ended = true
  })()
  return heard
}

test('a stream tells what becomes of jobs from then on, as events with an id', async () => {
  const { broker, clock, open } = setUpEvents()
  await broker.enqueue([aJob('before')])
  const heard = await open()
  await clock.advance(1_000)
  expect(heard.jobs()).toEqual([])
  const atMs = clock.now()
  await broker.enqueue([aJob('a', { queue: 'mail', task: 't' })])
  await clock.advance(250)
  const data = { atMs, id: 'a', task: 't', queue: 'mail', state: 'queued', attempts: 0 }
  expect(heard.text.split('\n\n').at(-2)).toBe(`id: 0000000000000002\nevent: job\ndata: ${JSON.stringify(data)}`)
  await heard.hangUp()
})

test('a client that comes again goes on where it ended, without loss or repetition', async () => {
  const { broker, clock, open } = setUpEvents()
  const first = await open()
  await broker.enqueue([aJob('a'), aJob('b')])
  await clock.advance(250)
  await first.hangUp()
  await broker.enqueue([aJob('c')])
  const other = await open()
  await settled()
  await broker.cancel(['a'])
  const second = await open('', { 'Last-Event-ID': first.lastId() })
  await clock.advance(500)
  expect(first.jobs()).toEqual(['a queued', 'b queued'])
  expect(second.jobs()).toEqual(['c queued', 'a cancelled'])
  expect(other.jobs()).toEqual(['a cancelled'])
  const third = await open(`?after=${first.lastId()}`)
  await settled()
  expect(third.jobs()).toEqual(second.jobs())
  // A browser asks for the same address again, and says by the header how far it has come.
  const fourth = await open(`?after=${first.lastId()}`, { 'Last-Event-ID': second.lastId() })
  await broker.cancel(['b'])
  await clock.advance(500)
  expect(fourth.jobs()).toEqual(['b cancelled'])
})

test('a client that comes again before anything happened misses nothing', async () => {
  const { broker, clock, open } = setUpEvents()
  const first = await open()
  await settled()
  await first.hangUp()
  await broker.enqueue([aJob('a')])
  const second = await open('', { 'Last-Event-ID': first.lastId() })
  await clock.advance(250)
  expect(second.jobs()).toEqual(['a queued'])
})

test('a stream is narrowed by state, queue and task, and its client need not go through the rest again', async () => {
  const { broker, clock, open } = setUpEvents()
  const all = ['?state=cancelled,removed', '?queue=mail', '?task=t&queue=mail', '?task=t']
  const heard = await Promise.all(all.map((query) => open(query)))
  await broker.enqueue([aJob('a'), aJob('b', { queue: 'mail' }), aJob('c', { queue: 'mail', task: 't' })])
  await broker.cancel(['a', 'b'])
  await clock.advance(1)
  await broker.remove(['a'])
  await clock.advance(16_000)
  expect(heard.map((one) => one.jobs())).toEqual([
    ['a cancelled', 'b cancelled', 'a removed'],
    ['b queued', 'c queued', 'b cancelled'],
    ['c queued'],
    ['c queued'],
  ])
  await broker.enqueue([aJob('d')])
  await clock.advance(250)
  expect(new Set(heard.map((one) => one.lastId()))).toEqual(new Set(['0000000000000007']))
})

test('a client that comes too late is told of the gap, and of what is kept', async () => {
  const { broker, clock, open } = setUpEvents({ maxEvents: 100 })
  const first = await open()
  await settled()
  await first.hangUp()
  await broker.enqueue(Array.from({ length: 150 }, (_, at) => aJob(`job-${at}`)))
  const second = await open('', { 'Last-Event-ID': first.lastId() })
  await clock.advance(250)
  expect(second.text).toContain('event: gap\ndata: {}\n\n')
  expect(second.jobs()).toHaveLength(100)
  expect(second.jobs().at(-1)).toBe('job-149 queued')
})

test('however many watch, one look is made for all, and none when nobody watches', async () => {
  const { broker, clock, reads, open } = setUpEvents()
  const heard = await Promise.all(Array.from({ length: 50 }, () => open()))
  await settled()
  expect(reads.splice(0).length).toBeLessThanOrEqual(51)
  await broker.enqueue([aJob('a')])
  await clock.advance(10_000)
  expect(reads.splice(0)).toHaveLength(41)
  for (const one of heard) expect(one.jobs()).toEqual(['a queued'])
  for (const one of heard) await one.hangUp()
  await clock.advance(60_000)
  expect(reads.length).toBeLessThanOrEqual(1)
})

test('who hangs up in the middle of a look leaves nobody who would look again', async () => {
  const gate = { wait: Promise.resolve() }
  const { clock, reads, open } = setUpEvents({
    wrap: (broker) => ({
      ...broker,
      transitions: async (query) => {
        await gate.wait
        return (broker.transitions as NonNullable<Broker['transitions']>)(query)
      },
    }),
  })
  const heard = await open()
  await settled()
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.wait = promise
  await clock.advance(250)
  await heard.hangUp()
  resolve()
  await settled()
  reads.length = 0
  await clock.advance(60_000)
  expect(reads).toEqual([])
})

test('over the network it looks every second while something happens, else every five', async () => {
  const { broker, clock, reads, open } = setUpEvents({ wrap: ({ local: _, wake: __, ...broker }) => broker })
  await open()
  await clock.advance(30_000)
  const idle = reads.splice(0).length
  expect(idle).toBeLessThanOrEqual(10)
  for (let second = 0; second < 30; second++) {
    await broker.enqueue([aJob(`job-${second}`)])
    await clock.advance(1_000)
  }
  expect(reads.length).toBeGreaterThan(25)
  expect(reads.length).toBeLessThanOrEqual(31)
})

test('a beat keeps the line open, and a stream ends after five minutes: the client comes again', async () => {
  const { clock, open } = setUpEvents()
  const heard = await open()
  await clock.advance(45_000)
  expect(heard.text.match(/^:$/gm)).toHaveLength(3)
  await clock.advance(300_000)
  expect(heard.ended).toBe(true)
})

test('a stream whose broker is gone ends, and one that is opened then is 503', async () => {
  let down = false
  const { api, clock, open } = setUpEvents({
    wrap: (broker) => ({
      ...broker,
      transitions: async (query) => {
        if (down) throw new BrokerUnavailable('test', 'gone')
        return (broker.transitions as NonNullable<Broker['transitions']>)(query)
      },
    }),
  })
  const heard = await open()
  await settled()
  down = true
  await clock.advance(60_000)
  expect(heard.ended).toBe(true)
  const answer = Promise.resolve(api.request('/v1/events'))
  await clock.advance(60_000)
  expect((await answer).status).toBe(503)
})

test('a client that reads no more is let go, and goes on from what it has read', async () => {
  const { api, broker, clock, open } = setUpEvents()
  const response = await api.request('/v1/events')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  for (let chunk = 0; chunk < 2; chunk++) await reader.read()
  await settled()
  for (let at = 0; at < 10; at++) {
    const many = Array.from({ length: 1_000 }, (_, n) => aJob(`${at}-${n}`.padEnd(180, 'x')))
    await broker.enqueue(many)
    await clock.advance(250)
  }
  reader.releaseLock()
  const slow = listen(response)
  await settled()
  expect(slow.ended).toBe(true)
  expect(slow.jobs().length).toBeLessThan(10_000)
  const again = await open('', { 'Last-Event-ID': slow.lastId() })
  await clock.advance(1_000)
  expect(slow.jobs().length + again.jobs().length).toBe(10_000)
})

test('beyond the most streams a further one is 503, and streams of jobs count', async () => {
  const { api, broker, open } = setUpEvents({ maxStreams: 2 })
  await broker.enqueue([aJob('a')])
  const heard = await open()
  const job = listen(await api.request('/v1/jobs/a/events'))
  expect((await api.request('/v1/events')).status).toBe(503)
  await heard.hangUp()
  await settled()
  expect((await open()).status).toBe(200)
  await job.hangUp()
})

test('a HEAD opens no stream, which nobody would end', async () => {
  const { api, reads, clock } = setUpEvents()
  const response = await api.request('/v1/events', { method: 'HEAD' })
  expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'text/event-stream'])
  await clock.advance(60_000)
  expect(reads.length).toBeLessThanOrEqual(1)
})

test.each(['after=first', 'after=', 'state=gone', 'queue=', 'tag=a', 'after=1&after=2'])(
  'a stream of %p is refused',
  async (query) => {
    const { api } = setUpEvents()
    expect((await api.request(`/v1/events?${query}`)).status).toBe(400)
  },
)

test('a broker that keeps no events is 409, which says how to have it keep them', async () => {
  const { api, broker } = setUp()
  await broker.enqueue([aJob('a')])
  await settle(broker, failed('a', 'no route'))
  const response = await api.request('/v1/events')
  expect(response.status).toBe(409)
  expect(await response.json()).toMatchObject({
    type: 'urn:tq:problem:events-off',
    detail: expect.stringContaining('events: true'),
  })
})
