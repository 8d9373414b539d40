import { type Bytes, isAmong, sha256, toBase64, toBytes, toHex } from '../hmac.ts'
import { type Form, fieldsOf } from './body.ts'
import { defineSender, type Sender, type SenderOptions } from './sender.ts'

export interface TwilioOptions extends SenderOptions {
  /** The address that Twilio calls, without its query. Needed behind a proxy that changes it, such as https to http. */
  readonly url?: string
}

/** Twilio's POSTs: https://www.twilio.com/docs/usage/webhooks/webhooks-security. `kind` is the status of the call or message. */
export function twilio<Body = Form>({ secret, url }: TwilioOptions): Sender<Body> {
  return defineSender<Body>({
    name: 'twilio',
    secret,
    hash: 'SHA-1',
    write: toBase64,
    async signed({ url: called, headers, body }) {
      const { search, searchParams } = new URL(called)
      const digest = searchParams.get('bodySHA256')
      if (digest !== null && !isAmong(toBytes(toHex(await sha256(body))), [toBytes(digest)])) return null
      const fields = digest === null ? fieldsAsSigned(body) : ''
      return { content: [url ? url + search : called, fields], signatures: [headers.get('X-Twilio-Signature')] }
    },
    about(body, headers) {
      const { MessageStatus, SmsStatus, CallStatus } = fieldsOf(body)
      return { id: headers.get('I-Twilio-Idempotency-Token'), kind: MessageStatus ?? SmsStatus ?? CallStatus }
    },
    taken: () => new Response('<Response/>', { headers: { 'Content-Type': 'text/xml' } }),
  })
}

/** By name, each value of a field once. */
function fieldsAsSigned(body: Bytes): string {
  const order = (a: string, b: string) => Number(a > b) - Number(a < b)
  const fields = [...new URLSearchParams(new TextDecoder().decode(body))]
  const sorted = fields.sort(([a, one], [b, other]) => order(a, b) || order(one, other))
  return sorted
    .flatMap(([a, one], at) => (sorted[at - 1]?.[0] === a && sorted[at - 1]?.[1] === one ? [] : [a, one]))
    .join('')
}
