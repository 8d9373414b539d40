/** Whether the server is up, and whether a beat is: with one address, for a monitor without a token. */
import { expect, test } from 'bun:test'
import { BrokerUnavailable, defineApp } from 'tq-edge'
import type { Broker } from '../../src/broker.ts'
import { setUp } from './support.ts'

const TOKENS = ['a-long-random-token']

const mark = (broker: Broker, app = 'shop', beat = 'beat.1') =>
  broker.schedules({ presence: { beat, app, runtime: 'bun 1.4.5', startedAtMs: 1 } })

test('health asks the broker nothing, and does not mind that no beat is there', async () => {
  let calls = 0
  const down = () => {
    calls++
    return Promise.reject(new BrokerUnavailable('test', 'nothing'))
  }
  const { get } = setUp({ tokens: TOKENS, wrap: () => ({ beats: down, schedules: down }) })
  for (const path of ['/healthz', '/healthz?t=123']) {
    const response = await get(path)
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
  }
  expect(calls).toBe(0)
})

test('health with a beat tells when one was there last, and no more; and says so where it was too long ago', async () => {
  const { get, broker, clock } = setUp({ tokens: TOKENS })
  await mark(broker)
  const seenAtMs = clock.now()
  await clock.advance(300_000)
  const up = await get('/healthz?beat=300')
  expect([up.status, await up.json()]).toEqual([200, { status: 'ok', beat: { seenAtMs, agoMs: 300_000 } }])
  await clock.advance(1_000)
  const away = await get('/healthz?beat=300')
  expect([away.status, await away.json()]).toEqual([
    503,
    {
      type: 'urn:tq:problem:no-beat',
      title: 'No beat has been there lately',
      status: 503,
      detail: 'expected a beat within 300 s, got the last one 301 s ago',
    },
  ])
  expect((await get('/healthz')).status).toBe(200)
})

test('health with a beat is a problem where there never was one', async () => {
  const response = await setUp().get('/healthz?beat=120')
  expect(await response.json()).toMatchObject({ status: 503, detail: 'expected a beat within 120 s, got none so far' })
})

test("an API that knows its app tells of that app's beats, any other of any", async () => {
  for (const [app, status] of [
    ['shop', 503],
    ['other', 200],
    [undefined, 200],
  ] as const) {
    const { get, broker } = setUp(app === undefined ? {} : { app: defineApp({ name: app, tasks: [] }) })
    await mark(broker, 'other')
    expect([app, (await get('/healthz?beat=300')).status]).toEqual([app, status])
  }
})

test('however often it is asked, the broker is asked three times a minute, also when it does not answer', async () => {
  let calls = 0
  let down = false
  const { get, broker, clock } = setUp({
    wrap: ({ beats }) => ({
      beats: () => {
        calls++
        return down ? Promise.reject(new BrokerUnavailable('test', 'nothing')) : beats()
      },
    }),
  })
  await mark(broker)
  const statuses = new Set<number>()
  const askForAMinute = async () => {
    for (let second = 0; second < 60; second++) {
      for (let at = 0; at < 10; at++) statuses.add((await get('/healthz?beat=300')).status)
      await clock.advance(1_000)
    }
  }
  await askForAMinute()
  expect([calls, ...statuses]).toEqual([3, 200])
  statuses.clear()
  down = true
  await askForAMinute()
  expect([calls, ...statuses]).toEqual([6, 503])
})

for (const beat of ['119', '2678401', '5m', '', '-300', '300&beat=300'])
  test(`health with beat=${beat} is told what to send`, async () => {
    const response = await setUp().get(`/healthz?beat=${beat}`)
    expect(await response.json()).toMatchObject({
      status: 400,
      errors: [{ path: 'beat', message: expect.stringContaining('expected seconds from 120 to 2678400, got') }],
    })
  })
