import { expect, test } from 'bun:test'
import { byOwnName } from '../../cli/loopback.ts'

const answered = byOwnName(() => new Response('jobs'))

test.each(['localhost:8787', '127.0.0.1:8787', '127.3.2.1', '[::1]:8787'])('a call by %s is answered', async (host) => {
  expect(await (await answered(new Request(`http://${host}/v1/jobs`))).text()).toBe('jobs')
})

test.each(['evil.test:8787', '127.0.0.1.evil.test', '10.0.0.1', 'localhost.evil.test'])(
  'a call by %s is a page’s whose name was rebound, and is not',
  async (host) => {
    const response = await answered(new Request(`http://${host}/v1/jobs`))
    expect([response.status, (await response.json()).type]).toEqual([403, 'urn:tq:problem:cross-site'])
  },
)
