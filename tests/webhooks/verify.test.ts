import { describe, expect, test } from 'bun:test'
import { createLink } from 'tq-edge/client'
import { github, webhook } from 'tq-edge/webhooks'
import { CASES, type Sent, TWILIO_URL } from './senders.ts'
import { setUp } from './support.ts'

const MINUTES_MS = 60_000
const SECRET = 'one-secret-for-both'

/** Each at the path of its delivery, by a handler that tells what it was given. */
function receive({ create, delivery, atMs }: (typeof CASES)[number], secret: string | readonly string[]) {
  const path = new URL(delivery.url).pathname
  return setUp([webhook(path, create(secret), 'told')], { atMs })
}

async function expectRefused(response: Response): Promise<void> {
  const problem = (await response.json()) as { type: string; detail: string }
  expect([response.status, problem.type]).toEqual([401, 'urn:tq:problem:unverified'])
  expect(response.headers.get('WWW-Authenticate')).toBe('Signature')
}

describe.each(CASES)('$name', (sender) => {
  const { secret, delivery, header, atMs, timed, sign } = sender
  const without = ({ headers, ...sent }: Sent): Sent => {
    const { [header]: _, ...others } = headers
    return { ...sent, headers: others }
  }

  test('a delivery signed as it is documented becomes a job', async () => {
    const { deliver, jobs } = receive(sender, secret)
    const response = await deliver(delivery)
    expect([response.status < 300, response.headers.get('TQ-Jobs')]).toEqual([true, '1'])
    expect(await jobs()).toMatchObject([{ task: 'told' }])
  })

  test('what the sender’s own way of signing makes is taken', async () => {
    const { deliver } = receive(sender, secret)
    expect((await deliver(await sign(secret, without(delivery), atMs))).headers.get('TQ-Jobs')).toBe('1')
  })

  test('a delivery that comes twice is one job', async () => {
    const { deliver, jobs } = receive(sender, secret)
    await deliver(delivery)
    const again = await deliver(await sign(secret, delivery, atMs + 60_000))
    expect(again.status).toBeLessThan(300)
    expect(await jobs()).toHaveLength(1)
  })

  test('each of several secrets is good, wherever it stands', async () => {
    const others = ['whsec_bmV3LXNlY3JldA==', 'whsec_b2xkLXNlY3JldA==']
    for (const secrets of [
      [secret, ...others],
      [others[0] as string, secret, others[1] as string],
      [...others, secret],
    ])
      expect((await receive(sender, secrets).deliver(delivery)).headers.get('TQ-Jobs')).toBe('1')
    await expectRefused(await receive(sender, others).deliver(delivery))
  })

  test.each([
    ['none', undefined],
    ['an empty one', ''],
    ['one that is none', 'sesame-4711'],
    ['one that is cut', delivery.headers[header]?.slice(0, -3)],
    ['a longer one', `${delivery.headers[header]}00`],
    ['one in another case', delivery.headers[header]?.toUpperCase()],
  ])('in place of its signature %s is refused', async (_, signature) => {
    const { deliver, jobs } = receive(sender, secret)
    const sent = without(delivery)
    const headers = signature === undefined ? sent.headers : { ...sent.headers, [header]: signature }
    await expectRefused(await deliver({ ...sent, headers }))
    expect(await jobs()).toEqual([])
  })

  test('a signature by another secret is refused', async () => {
    const { deliver } = receive(sender, secret)
    await expectRefused(await deliver(await sign('whsec_b3RoZXItc2VjcmV0', delivery, atMs)))
  })

  test.each([
    ['cut in the middle', (body: string) => body.slice(0, body.length / 2)],
    ['changed by a character', (body: string) => body.replace(/[12o]/, 'x')],
    ['longer', (body: string) => `${body}&more=1`],
    ['empty', () => ''],
  ])('a body that is %s is refused', async (_, change) => {
    const { deliver } = receive(sender, secret)
    await expectRefused(await deliver({ ...delivery, body: change(delivery.body) }))
  })

  test('bytes that are not UTF-8 are refused like any others that are not signed', async () => {
    const { deliver, jobs } = receive(sender, secret)
    const body = new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])
    expect((await deliver({ ...delivery, body })).status).toBe(401)
    expect(await jobs()).toEqual([])
  })

  if (timed)
    test('a delivery is good for five minutes, before and after its time', async () => {
      for (const [minutes, good] of [
        [-10, false],
        [-5, true],
        [5, true],
        [10, false],
      ] as const) {
        const { deliver, clock } = receive(sender, secret)
        clock.stepWall(minutes * MINUTES_MS)
        const response = await deliver(delivery)
        if (good) expect(response.headers.get('TQ-Jobs')).toBe('1')
        else await expectRefused(response)
      }
    })
  else
    test('a delivery is good at any time: none is signed', async () => {
      const { deliver, clock } = receive(sender, secret)
      clock.stepWall(-10 * MINUTES_MS)
      expect((await deliver(delivery)).headers.get('TQ-Jobs')).toBe('1')
    })

  test('a secret that is missing is refused when the app is made, and not repeated', () => {
    for (const none of [undefined, '', [], [undefined], [''], [secret, ''], 4711, [secret, null]])
      expect(() => sender.create(none as string)).toThrow(
        /^expected the secret of [\w-]+ to be .*, got (?!.*Secret|.*whsec)/,
      )
  })
})

test('whoever has a link sends no webhook with its signature, also where both have one secret', async () => {
  const url = 'http://localhost'
  const link = new URL(await createLink(SECRET, { url, job: 'a', expiresAtMs: 4_102_444_800_000 }))
  const [what, mac] = (link.searchParams.get('link') ?? '').split('.')
  const { deliver, jobs } = setUp([webhook('/hooks/github', github({ secret: SECRET }), 'told')])
  const headers = { 'Content-Type': 'text/plain', 'X-Hub-Signature-256': `sha256=${mac}` }
  await expectRefused(await deliver({ url: `${url}/hooks/github`, headers, body: `tq-link ${what}` }))
  expect(await jobs()).toEqual([])
})

test('a time that is no number is refused', async () => {
  for (const { name, header, delivery, secret, create, atMs } of CASES.filter(({ timed }) => timed))
    for (const at of ['', 'soon', '-1', '1e9', '9'.repeat(30)]) {
      const headers = { ...delivery.headers }
      const timeHeader = Object.keys(headers).find((key) => /timestamp/i.test(key))
      if (timeHeader) headers[timeHeader] = at
      else headers[header] = String(headers[header]).replace(/t=\d+/, `t=${at}`)
      const { deliver } = setUp([webhook('/hooks', create(secret), 'told')], { atMs })
      expect([name, (await deliver({ ...delivery, headers })).status]).toEqual([name, 401])
    }
})

test('Standard Webhooks: one right signature among several is enough', async () => {
  const [standard] = CASES
  if (!standard) throw new Error('expected a case, got none')
  const { deliver } = receive(standard, standard.secret)
  const right = standard.delivery.headers['webhook-signature']
  const headers = { ...standard.delivery.headers, 'webhook-signature': `v1a,abc v1,AAAA ${right} v2,x` }
  expect((await deliver({ ...standard.delivery, headers })).headers.get('TQ-Jobs')).toBe('1')
})

test('Stripe: a signature of the old scheme alone is refused', async () => {
  const stripe = CASES.find(({ name }) => name === 'stripe')
  if (!stripe) throw new Error('expected a case, got none')
  const header = String(stripe.delivery.headers['Stripe-Signature'])
  const { deliver } = receive(stripe, stripe.secret)
  const send = (signature: string) =>
    deliver({ ...stripe.delivery, headers: { ...stripe.delivery.headers, 'Stripe-Signature': signature } })
  await expectRefused(await send(header.replace('v1=', 'v0=')))
  expect((await send(header.replace('v1=', `v1=${'0'.repeat(64)},v1=`))).headers.get('TQ-Jobs')).toBe('1')
})

/** From the same tests as the form: tests/Twilio/Unit/Security/RequestValidatorTest.php */
describe('twilio', () => {
  const twilio = CASES.at(-1) as (typeof CASES)[number]
  const signed = (signature: string, sent: Partial<Sent>) => ({
    ...twilio.delivery,
    ...sent,
    headers: { ...twilio.delivery.headers, ...sent.headers, 'X-Twilio-Signature': signature },
  })

  test('a field with several values is signed with each of them once', async () => {
    const { deliver } = receive(twilio, twilio.secret)
    const body = 'Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234'
    expect((await deliver(signed('IK+Dwps556ElfBT0I3Rgjkr1wJU=', { body }))).headers.get('TQ-Jobs')).toBe('1')
  })

  test('a JSON body is signed by its digest in the address', async () => {
    const { deliver, jobs } = receive(twilio, twilio.secret)
    const url = `${TWILIO_URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620`
    const body = '{"property": "value", "boolean": true}'
    const headers = { 'Content-Type': 'application/json' }
    const right = signed('a9nBmqA0ju/hNViExpshrM61xv4=', { url, body, headers })
    expect((await deliver({ ...right, body: body.replace('true', 'false') })).status).toBe(401)
    expect((await deliver(right)).headers.get('TQ-Jobs')).toBe('1')
    expect(await jobs()).toMatchObject([{ input: { property: 'value', boolean: true } }])
  })

  test('behind a proxy the address is the one that is given', async () => {
    const { twilio: preset } = await import('tq-edge/webhooks')
    const sender = preset({ secret: twilio.secret, url: 'https://mycompany.com/myapp.php' })
    const { deliver } = setUp([webhook('/myapp.php', sender, 'told')])
    const url = 'http://127.0.0.1:8787/myapp.php?foo=1&bar=2'
    expect((await deliver({ ...twilio.delivery, url })).headers.get('TQ-Jobs')).toBe('1')
  })
})
