import { fromBase64, toBase64 } from '../hmac.ts'
import { fieldsOf } from './body.ts'
import { defineSender, type Sender, type TimedSenderOptions } from './sender.ts'

/** What the specification recommends that an event has. */
export interface StandardBody {
  readonly type: string
  readonly timestamp: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Whoever signs by https://www.standardwebhooks.com, with a shared secret (`whsec_...`). `kind` is the body's `type`. */
export function standardWebhooks<Body = StandardBody>(options: TimedSenderOptions): Sender<Body> {
  return defineStandard('standard-webhooks', 'webhook', options)
}

/** One specification, under each sender's own names of the headers. */
export function defineStandard<Body>(name: string, prefix: string, options: TimedSenderOptions): Sender<Body> {
  return defineSender<Body>({
    name,
    ...options,
    toKey: (secret) => fromBase64(secret.replace(/^whsec_/, '')),
    write: (mac) => `v1,${toBase64(mac)}`,
    signed({ headers, body }) {
      const [id, atS, signatures] = ['id', 'timestamp', 'signature'].map((part) => headers.get(`${prefix}-${part}`))
      return id
        ? { content: [`${id}.${atS}.`, body], signatures: (signatures ?? '').split(' '), atS: atS ?? null }
        : null
    },
    about: (body, headers) => ({ id: headers.get(`${prefix}-id`), kind: fieldsOf(body).type }),
  })
}
