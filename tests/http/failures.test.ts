import { expect, test } from 'bun:test'
import { setUp } from './support.ts'

const TOKEN = 'correct-horse-battery-staple'

/** An API whose callers say in a header where they come from. */
function withAddresses() {
  const api = setUp({
    tokens: [TOKEN],
    linkSecrets: ['a-long-random-secret'],
    addressOf: ({ headers }) => headers.get('From'),
  })
  const call = async (from: string | undefined, token: string, path = '/v1/jobs') => {
    const headers = { Authorization: `Bearer ${token}`, ...(from === undefined ? {} : { From: from }) }
    return api.api.request(path, { headers })
  }
  const fail = async (from: string | undefined, times: number, path?: string) => {
    const statuses = new Set<number>()
    for (let at = 0; at < times; at++) statuses.add((await call(from, 'wrong', path)).status)
    return [...statuses]
  }
  return { ...api, call, fail }
}

test('an address with twenty failed checks in a minute is refused for the rest of it, with a right token as with a wrong one', async () => {
  const { call, fail, clock } = withAddresses()
  expect(await fail('here', 1)).toEqual([401])
  await clock.advance(30_000)
  expect(await fail('here', 19)).toEqual([401])
  const answers = [await call('here', 'wrong'), await call('here', TOKEN)]
  const told = await Promise.all(answers.map(async (answer) => [answer.status, await answer.text()]))
  expect(told[0]).toEqual([429, expect.stringContaining('urn:tq:problem:too-many-failures')])
  expect(told[1]).toEqual(told[0] as (string | number)[])
  expect(answers.map(({ headers }) => headers.get('Retry-After'))).toEqual(['30', '30'])
  await clock.advance(29_999)
  expect((await call('here', TOKEN)).status).toBe(429)
  await clock.advance(1)
  expect((await call('here', TOKEN)).status).toBe(200)
  expect(await fail('here', 20)).toEqual([401])
})

test('another address is not, nor one that is not known, nor is health', async () => {
  const { call, fail } = withAddresses()
  await fail('here', 20)
  expect((await call('there', TOKEN)).status).toBe(200)
  expect((await call('here', TOKEN, '/healthz')).status).toBe(200)
  expect(await fail(undefined, 30)).toEqual([401])
  expect((await call(undefined, TOKEN)).status).toBe(200)
})

test('wrong links count as well, and calls that are refused for another reason do not', async () => {
  const { call, fail } = withAddresses()
  for (let at = 0; at < 30; at++) expect((await call('here', TOKEN, '/v1/jobs?limit=none')).status).toBe(400)
  for (let at = 0; at < 30; at++) expect((await call('here', TOKEN, '/v1/jobs/nobody')).status).toBe(404)
  expect(await fail('here', 20, '/v1/links?link=no.link')).toEqual([403])
  expect((await call('here', TOKEN)).status).toBe(429)
})

test('no more than ten thousand addresses are remembered: the one that is longest known is forgotten', async () => {
  const { call, fail } = withAddresses()
  await fail('first', 20)
  await fail('second', 20)
  for (let at = 0; at < 9_999; at++) await call(`address-${at}`, 'wrong')
  expect((await call('first', TOKEN)).status).toBe(200)
  expect((await call('second', TOKEN)).status).toBe(429)
})

test('what anybody’s page can have a browser send is no try: calls without a token, and links from another site', async () => {
  const { api, call } = withAddresses()
  const plain = { From: 'here' }
  for (let at = 0; at < 25; at++) {
    expect((await api.request('/v1/jobs', { headers: plain })).status).toBe(401)
    const crossSite = { ...plain, 'Sec-Fetch-Site': 'cross-site' }
    expect((await api.request('/v1/links?link=x', { headers: crossSite })).status).toBe(403)
  }
  expect((await call('here', TOKEN)).status).toBe(200)
})

test('an address of IPv6 is as good as any other of its network, and one of IPv4 the same however it is written', async () => {
  const { call, fail } = withAddresses()
  await fail('2001:db8:1:2::1', 10)
  await fail('2001:db8:1:2:aaaa::2', 10)
  await fail('::ffff:192.0.2.1', 20)
  const statuses = ['2001:db8:1:2:ffff::3', '2001:db8:1:3::1', '192.0.2.1', '192.0.2.2'].map((from) =>
    call(from, TOKEN),
  )
  expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([429, 200, 429, 200])
})
