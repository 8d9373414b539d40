import { toHex } from '../hmac.ts'
import { fieldsOf, fromPayload } from './body.ts'
import { defineSender, type Sender, type TimedSenderOptions } from './sender.ts'

/** What Slack sends: an event, a slash command, an interaction. */
export interface SlackBody {
  readonly type?: string
  readonly team_id?: string
  readonly event?: { readonly type: string; readonly [field: string]: unknown }
  readonly command?: string
  readonly [field: string]: unknown
}

/**
 * Slack's requests: https://docs.slack.dev/authentication/verifying-requests-from-slack
 *
 * `kind` is the type of the event (`app_mention`) or interaction, or the command (`/deploy`). The check of a new address is answered.
 */
export function slack<Body = SlackBody>(options: TimedSenderOptions): Sender<Body> {
  return defineSender<Body>({
    name: 'slack',
    ...options,
    write: (mac) => `v0=${toHex(mac)}`,
    signed({ headers, body }) {
      const atS = headers.get('X-Slack-Request-Timestamp')
      return { content: [`v0:${atS}:`, body], signatures: [headers.get('X-Slack-Signature')], atS }
    },
    toBody: (body) => fromPayload(body) as Body,
    about(body) {
      const { event_id, trigger_id, event, command, type } = fieldsOf(body)
      return { id: event_id ?? trigger_id, kind: fieldsOf(event).type ?? command ?? type }
    },
    reply: ({ kind, body }) =>
      kind === 'url_verification' ? Response.json({ challenge: fieldsOf(body).challenge }) : undefined,
    // Whatever the answer to a command says, its user is shown.
    taken: () => new Response(null, { status: 200 }),
  })
}
