/** Names by which this machine is called from itself. */
import type { FetchHandler } from '../adapters/runtimes/listen.ts'
import { problemResponse, refusal } from '../src/http/problem.ts'

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/**
 * For a server that asks nobody for a token. A page whose name has been rebound to this machine sends plain GETs that say nothing of where
 * they come from, but for its name.
 */
export function byOwnName(fetch: FetchHandler): FetchHandler {
  return (request) => {
    if (isLoopback(new URL(request.url).hostname.replace(/^\[|\]$/g, ''))) return fetch(request)
    return problemResponse(
      refusal('cross-site', 'expected a call by a name of this machine, such as localhost, got another'),
    )
  }
}
