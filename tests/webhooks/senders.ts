/**
 * A genuine delivery of each sender, as its own documentation or its own tests have it where they have one, and what signs others.
 */
import { sign as signForGitHub } from '@octokit/webhooks-methods'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { github, type Sender, shopify, slack, standardWebhooks, stripe, svix, twilio } from 'tq-edge/webhooks'
import { hmac, toBase64, toBytes, toHex } from '../../src/hmac.ts'

export interface Sent {
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string
}

export interface Case {
  readonly name: string
  /** When the delivery was signed. */
  readonly atMs: number
  readonly secret: string
  readonly delivery: Sent
  readonly event: { readonly id: string; readonly kind: string }
  /** Whether a time is signed. */
  readonly timed: boolean
  /** Where the signature is. */
  readonly header: string
  create(secret: string | readonly string[]): Sender
  /** Signs as the sender does: by its own library where it has one for this, otherwise by its documentation's rule. */
  sign(secret: string, delivery: Sent, atMs: number): Promise<Sent>
}

const JSON_TYPE = { 'Content-Type': 'application/json' }
const FORM_TYPE = { 'Content-Type': 'application/x-www-form-urlencoded' }
const seconds = (ms: number) => Math.floor(ms / 1_000)
const put = (sent: Sent, headers: Record<string, string>): Sent => ({
  ...sent,
  headers: { ...sent.headers, ...headers },
})

/** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation */
const GITHUB: Case = {
  name: 'github',
  atMs: Date.UTC(2026, 0, 5),
  secret: "It's a Secret to Everybody",
  delivery: {
    url: 'https://app.example/hooks',
    headers: {
      'Content-Type': 'text/plain',
      'X-GitHub-Event': 'push',
      'X-GitHub-Delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'X-Hub-Signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    },
    body: 'Hello, World!',
  },
  event: { id: '72d3162e-cc78-11e3-81ab-4c9367dc0958', kind: 'push' },
  timed: false,
  header: 'X-Hub-Signature-256',
  create: (secret) => github({ secret }),
  sign: async (secret, sent) => put(sent, { 'X-Hub-Signature-256': await signForGitHub(secret, sent.body) }),
}

/** https://docs.stripe.com/webhooks#verify-manually has the rule and no example: the delivery is one of Stripe's own library. */
const stripeClient = new Stripe('sk_test_none')
const STRIPE_AT_MS = Date.UTC(2026, 0, 5)
const signForStripe: Case['sign'] = async (secret, sent, atMs) => {
  const header = await stripeClient.webhooks.generateTestHeaderStringAsync({
    payload: sent.body,
    secret,
    timestamp: seconds(atMs),
  })
  return put(sent, { 'Stripe-Signature': header })
}
const STRIPE_BODY = '{"id":"evt_1","object":"event","type":"invoice.paid","created":1767571200,"data":{"object":{}}}'
const STRIPE: Case = {
  name: 'stripe',
  atMs: STRIPE_AT_MS,
  secret: 'whsec_test_secret',
  delivery: await signForStripe(
    'whsec_test_secret',
    { url: 'https://app.example/hooks', headers: JSON_TYPE, body: STRIPE_BODY },
    STRIPE_AT_MS,
  ),
  event: { id: 'evt_1', kind: 'invoice.paid' },
  timed: true,
  header: 'Stripe-Signature',
  create: (secret) => stripe({ secret }),
  sign: signForStripe,
}

/** https://docs.slack.dev/authentication/verifying-requests-from-slack, "a step-by-step walk-through" */
const SLACK: Case = {
  name: 'slack',
  atMs: 1_531_420_618_000,
  secret: '8f742231b10e8888abcd99yyyzzz85a5',
  delivery: {
    url: 'https://app.example/hooks',
    headers: {
      ...FORM_TYPE,
      'X-Slack-Request-Timestamp': '1531420618',
      'X-Slack-Signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    body: 'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
  },
  event: { id: '398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c', kind: '/webhook-collect' },
  timed: true,
  header: 'X-Slack-Signature',
  create: (secret) => slack({ secret }),
  async sign(secret, sent, atMs) {
    const mac = await hmac(toBytes(secret), toBytes(`v0:${seconds(atMs)}:${sent.body}`))
    return put(sent, {
      'X-Slack-Request-Timestamp': String(seconds(atMs)),
      'X-Slack-Signature': `v0=${toHex(mac)}`,
    })
  },
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/javascript/src/webhook.test.ts, "sign function works" */
const signForStandard =
  (prefix: string): Case['sign'] =>
  async (secret, sent, atMs) => {
    const id = sent.headers[`${prefix}-id`] ?? ''
    const signature = new StandardWebhook(secret).sign(id, new Date(seconds(atMs) * 1_000), sent.body)
    return put(sent, { [`${prefix}-timestamp`]: String(seconds(atMs)), [`${prefix}-signature`]: signature })
  }
const standardCase = (name: string, prefix: string, create: Case['create']): Case => ({
  name,
  atMs: 1_614_265_330_000,
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  delivery: {
    url: 'https://app.example/hooks',
    headers: {
      ...JSON_TYPE,
      [`${prefix}-id`]: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      [`${prefix}-timestamp`]: '1614265330',
      [`${prefix}-signature`]: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    body: '{"test": 2432232314}',
  },
  event: { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', kind: '' },
  timed: true,
  header: `${prefix}-signature`,
  create,
  sign: signForStandard(prefix),
})

/** https://shopify.dev/docs/apps/build/webhooks/verify-deliveries has the rule; SQLPage's documentation of its `hmac` an example. */
const SHOPIFY: Case = {
  name: 'shopify',
  atMs: Date.UTC(2026, 0, 5),
  secret: 'test-webhook-secret',
  delivery: {
    url: 'https://app.example/hooks',
    headers: {
      ...JSON_TYPE,
      'X-Shopify-Topic': 'orders/create',
      'X-Shopify-Webhook-Id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
      'X-Shopify-Hmac-Sha256': 'QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=',
    },
    body: '{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}',
  },
  event: { id: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043', kind: 'orders/create' },
  timed: false,
  header: 'X-Shopify-Hmac-Sha256',
  create: (secret) => shopify({ secret }),
  sign: async (secret, sent) =>
    put(sent, { 'X-Shopify-Hmac-Sha256': toBase64(await hmac(toBytes(secret), toBytes(sent.body))) }),
}

/** https://github.com/twilio/twilio-php/blob/main/tests/Twilio/Unit/Security/RequestValidatorTest.php */
export const TWILIO_URL = 'https://mycompany.com/myapp.php?foo=1&bar=2'
const TWILIO: Case = {
  name: 'twilio',
  atMs: Date.UTC(2026, 0, 5),
  secret: '12345',
  delivery: {
    url: TWILIO_URL,
    headers: {
      ...FORM_TYPE,
      'I-Twilio-Idempotency-Token': '1c1b8ac5-2b8a-4b1f-9f1f-6d4b6d1f7c11',
      'X-Twilio-Signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
    },
    body: 'CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212',
  },
  event: { id: '1c1b8ac5-2b8a-4b1f-9f1f-6d4b6d1f7c11', kind: '' },
  timed: false,
  header: 'X-Twilio-Signature',
  create: (secret) => twilio({ secret }),
  async sign(secret, sent) {
    const fields = [...new URLSearchParams(sent.body)].sort(([a], [b]) => (a < b ? -1 : 1))
    const mac = await hmac(toBytes(secret), toBytes(sent.url + fields.flat().join('')), 'SHA-1')
    return put(sent, { 'X-Twilio-Signature': toBase64(mac) })
  },
}

export const CASES: readonly Case[] = [
  standardCase('standard-webhooks', 'webhook', (secret) => standardWebhooks({ secret })),
  GITHUB,
  STRIPE,
  SLACK,
  standardCase('svix', 'svix', (secret) => svix({ secret })),
  SHOPIFY,
  TWILIO,
]
