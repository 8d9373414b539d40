import { hostFetch } from '../adapters/runtimes/host-fetch.ts'
import { callbackSecretsOf, hostsOf } from '../adapters/runtimes/variables.ts'
import type { OutboundOptions } from '../src/outbound.ts'
import { sendCallbacks, type ToCallbackTask } from '../src/worker/callbacks.ts'

/** How requests go out whose addresses tasks, jobs and schedules say: by `TQ_ALLOW_HOSTS`. */
export function outbound(): OutboundOptions {
  const allowHosts = hostsOf(process.env)
  return { allowHosts, fetch: hostFetch({ allowHosts }) }
}

/** What a worker sends callbacks by; undefined without `TQ_CALLBACK_SECRET`. Throws `InvalidOption` for a secret that is none. */
export function callbacks(): ToCallbackTask | undefined {
  const secret = callbackSecretsOf(process.env)
  return secret.length === 0 ? undefined : sendCallbacks({ secret, ...outbound() })
}
