import { toBase64 } from '../hmac.ts'
import { defineSender, type Sender, type SenderOptions } from './sender.ts'

/**
 * Shopify's webhooks: https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
 *
 * `kind` is the topic (`orders/create`). Shopify signs the body alone: neither a time nor the delivery's id.
 */
export function shopify<Body = Readonly<Record<string, unknown>>>({ secret }: SenderOptions): Sender<Body> {
  return defineSender<Body>({
    name: 'shopify',
    secret,
    write: toBase64,
    signed: ({ headers, body }) => ({ content: [body], signatures: [headers.get('X-Shopify-Hmac-Sha256')] }),
    about: (_, headers) => ({ id: headers.get('X-Shopify-Webhook-Id'), kind: headers.get('X-Shopify-Topic') }),
  })
}
