/** Deno (`tq-edge/deno`). */
import type { App } from '../../src/app.ts'
import { Unsupported } from '../../src/errors.ts'
import type { Listening } from './listen.ts'
import { type ServeOptions, serveEdge } from './serve.ts'

export { hostFetch } from './host-fetch.ts'
export type { Listening }

export interface DenoOptions extends ServeOptions {
  /** When to beat and drain, as `Deno.cron` reads it: five fields, in UTC. Default: never; `tq work --beat` does it then. */
  readonly cron?: string
}

interface DenoGlobal {
  readonly env: { toObject(): Record<string, string> }
  cron?(name: string, schedule: string, run: () => Promise<unknown>): Promise<void>
}

/**
 * Serves an app's REST producer by `Deno.serve`, with its settings from the environment, and drains by `Deno.cron`.
 *
 * Throws `InvalidOption` for a port that is taken, `Unsupported` for `cron` where Deno has none (`--unstable-cron`), and on any
 * other runtime.
 *
 * @example
 * ```ts
 * import { defineApp, defineTask, isTqError } from 'tq-edge'
 * import { serve } from 'tq-edge/deno'
 *
 * const app = defineApp({ tasks: [defineTask({ name: 'tidy', run: () => {} })] })
 * const served = serve(app, { cron: '* * * * *' })
 * console.log(await served.catch((error) => isTqError(error, 'Unsupported'))) // true
 * ```
 */
export async function serve(app: App, { cron, ...options }: DenoOptions = {}): Promise<Listening> {
  const { Deno: deno } = globalThis as { Deno?: DenoGlobal }
  if (!deno) throw new Unsupported('Deno', 'another runtime', 'import tq-edge/bun or tq-edge/node there')
  if (cron !== undefined && !deno.cron)
    throw new Unsupported(
      'Deno.cron',
      'none',
      'run deno with --unstable-cron, or leave cron out and run `tq work --beat`',
    )
  const variables = deno.env.toObject()
  const starting = serveEdge(app, variables, options)
  // Before anything is awaited: Deno Deploy finds crons only as the module is first evaluated.
  if (cron !== undefined) void deno.cron?.('tq', cron, async () => (await starting).cron(variables))
  return starting
}
