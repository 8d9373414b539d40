/** Names by which this machine is called from itself. */
import type { FetchHandler } from '../adapters/runtimes/listen.ts'
import { problemResponse, refusal } from '../src/http/problem.ts'
import { isLoopback } from '../src/networks.ts'

/**
 * For a server that asks nobody for a token. A page whose name has been rebound to this machine sends plain GETs that say nothing of where
 * they come from, but for its name.
 */
export function byOwnName(fetch: FetchHandler): FetchHandler {
  return (request) => {
    if (isLoopback(new URL(request.url).hostname)) return fetch(request)
    return problemResponse(
      refusal('cross-site', 'expected a call by a name of this machine, such as localhost, got another'),
    )
  }
}
