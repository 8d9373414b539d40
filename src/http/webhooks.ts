/**
 * Where webhooks are part of the API: what it knows of them, so that `tq-edge/webhooks` weighs on nobody who has none.
 *
 * @module
 */
import type { MiddlewareHandler } from 'hono'
import { unknownTask } from '../app.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../clock.ts'
import { InvalidOption } from '../errors.ts'
import type { OnEvent } from '../events.ts'
import type { Task } from '../task.ts'
import { readBody } from './body.ts'
import type { CountCall } from './rate-limits.ts'
import type { RouteGroup } from './route-group.ts'

/** A path at which one sender's webhooks become jobs: for `createApi` and `defineApp`. */
export interface Webhook {
  readonly path: string
  /** The task that it names; undefined where a function decides. */
  readonly task: string | undefined
  /** Verifies a request and enqueues what it asks for. Throws `RefusedRequest` for one that is not taken. */
  receive(request: Request, context: WebhookContext): Promise<Response>
}

/** What a webhook is given by the API that it is part of. */
export interface WebhookContext {
  readonly client: Client
  readonly clock: Clock
  readonly onEvent: OnEvent | undefined
  /** For a delivery that is verified. Throws `RefusedRequest` for one too many. */
  countCall(): Promise<void>
}

export interface MountOptions extends Omit<WebhookContext, 'countCall'> {
  readonly countCall: CountCall
  readonly tasks: ReadonlyMap<string, Task> | undefined
  readonly limit: MiddlewareHandler
}

/** In every answer to a delivery that stands for jobs, also where its sender wants no body. */
export const JOBS_HEADER = 'TQ-Jobs'

/** Each at its own path and beside the tokens: a sender has none, it signs. Throws `InvalidOption`. */
export function mountWebhooks(
  app: RouteGroup,
  webhooks: readonly Webhook[],
  { tasks, limit, countCall, ...context }: MountOptions,
): void {
  check(webhooks, tasks)
  for (const { path, receive } of webhooks)
    app.post(path, limit, async (c) => {
      const { method, headers } = c.req.raw
      return receive(new Request(c.req.url, { method, headers, body: await readBody(c) }), {
        ...context,
        countCall: () => countCall(c),
      })
    })
}

/** Throws `InvalidOption` for webhooks that cannot be together in one API, or that name a task which its app lacks. */
function check(webhooks: readonly Webhook[], tasks: ReadonlyMap<string, Task> | undefined): void {
  const paths = new Set<string>()
  for (const { path, task } of webhooks) {
    if (paths.has(path)) throw new InvalidOption('the path of a webhook', 'its own', `"${path}" twice`)
    paths.add(path)
    if (task === undefined || !tasks || tasks.has(task)) continue
    const { suggestion } = unknownTask(task, tasks.keys())
    const hint = suggestion === undefined ? '' : `: did you mean "${suggestion}"?`
    throw new InvalidOption(`the task of the webhook "${path}"`, 'one of the app', `"${task}"${hint}`)
  }
}
