import { toHex } from '../hmac.ts'
import { fieldsOf } from './body.ts'
import { defineSender, type Sender, type TimedSenderOptions } from './sender.ts'

/** What Stripe's events have; `data` is not in a thin one. */
export interface StripeBody {
  readonly id: string
  readonly type: string
  readonly created: number | string
  readonly livemode?: boolean
  readonly data?: { readonly object: Readonly<Record<string, unknown>>; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

const PING = 'v2.core.event_destination.ping'

/** Stripe's events: https://docs.stripe.com/webhooks#verify-manually. `kind` is the event's type (`invoice.paid`). */
export function stripe<Body = StripeBody>(options: TimedSenderOptions): Sender<Body> {
  return defineSender<Body>({
    name: 'stripe',
    ...options,
    write: (mac) => `v1=${toHex(mac)}`,
    signed({ headers, body }) {
      const parts = (headers.get('Stripe-Signature') ?? '').split(',').map((part) => part.trim())
      const atS = parts.find((part) => part.startsWith('t='))?.slice(2) ?? null
      return { content: [`${atS}.`, body], signatures: parts, atS }
    },
    about(body) {
      const { id, type } = fieldsOf(body)
      return { id, kind: type }
    },
    reply: ({ kind }) => (kind === PING ? Response.json({ pong: true }) : undefined),
  })
}
