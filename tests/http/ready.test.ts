import { expect, test } from 'bun:test'
import { BrokerUnavailable } from 'tq-edge'
import type { Broker } from '../../src/broker.ts'
import { SECRET, setUp } from './support.ts'

/** An API whose broker answers as told, and how often it was asked. */
function setUpLooks(get: Broker['get'] = async () => [null]) {
  let looks = 0
  const wrapped: Broker['get'] = (ids) => {
    looks++
    return get(ids)
  }
  return { ...setUp({ tokens: ['token'], wrap: () => ({ get: wrapped }) }), looks: () => looks }
}

test('readiness needs no token, and one look at the broker serves everybody for a second', async () => {
  const { get, clock, looks } = setUpLooks()
  const answers = await Promise.all(Array.from({ length: 100 }, () => get('/readyz')))
  expect(await Promise.all(answers.map((response) => response.text()))).toEqual(Array(100).fill('{"status":"ready"}'))
  expect(looks()).toBe(1)
  await clock.advance(999)
  await get('/readyz')
  expect(looks()).toBe(1)
  await clock.advance(1)
  await get('/readyz')
  expect(looks()).toBe(2)
})

test('health asks nothing of the broker', async () => {
  const { get, looks } = setUpLooks()
  expect((await get('/healthz')).status).toBe(200)
  expect(looks()).toBe(0)
})

test('a broker that does not answer is 503 and no word of why, and is asked again after a second', async () => {
  const { get, clock, looks } = setUpLooks(() => Promise.reject(new BrokerUnavailable('redis', SECRET)))
  for (let asked = 0; asked < 2; asked++) {
    const response = await get('/readyz')
    expect([response.status, response.headers.get('Retry-After')]).toEqual([503, '5'])
    const text = await response.text()
    expect(JSON.parse(text).type).toBe('urn:tq:problem:not-ready')
    expect(text).not.toContain(SECRET)
  }
  expect(looks()).toBe(1)
  await clock.advance(1_000)
  await get('/readyz')
  expect(looks()).toBe(2)
})

test('a broker that hangs is waited for two seconds', async () => {
  const { get, clock } = setUpLooks(() => new Promise(() => {}))
  const pending = get('/readyz')
  await clock.advance(2_000)
  expect((await pending).status).toBe(503)
})
