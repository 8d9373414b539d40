import { toHex } from '../hmac.ts'
import { fromPayload } from './body.ts'
import { defineSender, type Sender, type SenderOptions } from './sender.ts'

/** What most of GitHub's events have. */
export interface GitHubBody {
  readonly action?: string
  readonly repository?: { readonly full_name: string; readonly [field: string]: unknown }
  readonly sender?: { readonly login: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

/**
 * GitHub's webhooks, as JSON or as a form: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 *
 * `kind` is the event (`push`). A ping is answered. GitHub signs the body alone: neither a time nor the delivery's id.
 *
 * @example
 * ```ts
 * import { github, webhook } from 'tq-edge/webhooks'
 *
 * const pushes = webhook('/hooks/github', github({ secret: 'a-long-random-secret' }), 'push.received')
 * console.log(pushes.path) // /hooks/github
 * ```
 */
export function github<Body = GitHubBody>({ secret }: SenderOptions): Sender<Body> {
  return defineSender<Body>({
    name: 'github',
    secret,
    write: (mac) => `sha256=${toHex(mac)}`,
    signed: ({ headers, body }) => ({ content: [body], signatures: [headers.get('X-Hub-Signature-256')] }),
    toBody: (body) => fromPayload(body) as Body,
    about: (_, headers) => ({ id: headers.get('X-GitHub-Delivery'), kind: headers.get('X-GitHub-Event') }),
    reply: ({ kind }) => (kind === 'ping' ? Response.json({ pong: true }) : undefined),
  })
}
