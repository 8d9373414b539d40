/**
 * Serves a bundled Worker by workerd, as Cloudflare runs it, until it is asked to end; prints its address. Runs on Node:
 * `node miniflare.ts <miniflare> <bundle> <bindings as JSON>`.
 *
 * @module
 */
import process from 'node:process'

interface Server {
  readonly ready: Promise<URL>
  dispose(): Promise<void>
}

const [miniflare = '', scriptPath = '', bindings = '{}'] = process.argv.slice(2)
const { Miniflare } = (await import(miniflare)) as { readonly Miniflare: new (options: object) => Server }
const server = new Miniflare({
  host: '127.0.0.1',
  port: 0,
  modules: true,
  scriptPath,
  compatibilityDate: '2026-04-01',
  bindings: JSON.parse(bindings),
  // GET /cdn-cgi/handler/scheduled calls `scheduled`.
  unsafeTriggerHandlers: true,
})
process.once('SIGTERM', () => void server.dispose())
console.log((await server.ready).origin)
