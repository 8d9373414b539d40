import type { App } from '../../src/app.ts'
import { createEdge, type Edge, type EdgeOptions, goOn } from './edge.ts'
import { hostFetch } from './host-fetch.ts'
import { type Listening, listen } from './listen.ts'
import { hostsOf, type Variables } from './variables.ts'

export interface ServeOptions extends EdgeOptions {
  /** Default 8787; 0 takes any free one. */
  readonly port?: number
  /** Default `127.0.0.1`: this machine alone. */
  readonly hostname?: string
}

/** Serves an app's REST producer on a runtime that has a server of its own. Throws `InvalidOption` for a port that is taken. */
export async function serveEdge(app: App, variables: Variables, options: ServeOptions): Promise<Listening & Edge> {
  const { port = 8787, hostname = '127.0.0.1', ...given } = options
  // On Deno Deploy there is neither a private network nor a resolver to ask.
  const isHost = variables.DENO_DEPLOYMENT_ID === undefined
  const guarded = isHost ? { fetch: hostFetch({ allowHosts: hostsOf(variables) }) } : {}
  const edge = createEdge(app, { ...guarded, ...given })
  const listening = await listen((request) => edge.fetch(request, variables, goOn), { port, hostname })
  return { ...listening, ...edge }
}
