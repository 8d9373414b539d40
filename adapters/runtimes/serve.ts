import type { App } from '../../src/app.ts'
import { createEdge, type Edge, type EdgeOptions, goOn } from './edge.ts'
import { type Listening, listen } from './listen.ts'
import type { Variables } from './variables.ts'

export interface ServeOptions extends EdgeOptions {
  /** Default 8787; 0 takes any free one. */
  readonly port?: number
  /** Default `127.0.0.1`: this machine alone. */
  readonly hostname?: string
}

/** Serves an app's REST producer on a runtime that has a server of its own. Throws `InvalidOption` for a port that is taken. */
export async function serveEdge(app: App, variables: Variables, options: ServeOptions): Promise<Listening & Edge> {
  const { port = 8787, hostname = '127.0.0.1', ...given } = options
  const edge = createEdge(app, given)
  const listening = await listen((request) => edge.fetch(request, variables, goOn), { port, hostname })
  return { ...listening, ...edge }
}
