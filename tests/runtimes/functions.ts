/**
 * Serves the functions of a project as Vercel's and Netlify's documentation says that they do, until it is asked to end; prints its
 * address. Runs on Bun: `bun functions.ts <vercel or netlify>`, in the project's folder.
 *
 * @module
 */
import { join } from 'node:path'
import { Glob } from 'bun'

type Handler = (request: Request, context: object) => Promise<Response>
type Routes = readonly (readonly [path: RegExp, answer: Handler])[]

const [platform] = process.argv.slice(2)
const project = process.cwd()
const routes = platform === 'vercel' ? await vercelRoutes() : await netlifyRoutes()
const context = { waitUntil: (work: Promise<unknown>) => void work.catch(console.error) }

const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  idleTimeout: 120,
  async fetch(request) {
    const { pathname } = new URL(request.url)
    const [, answer] = routes.find(([path]) => path.test(pathname)) ?? []
    return answer ? answer(request, context) : new Response('', { status: 404 })
  },
})
console.log(`http://127.0.0.1:${server.port}`)

/** A file of `api` is what its path says, and comes before any rewrite; it exports a function for each method. */
async function vercelRoutes(): Promise<Routes> {
  const { rewrites } = await Bun.file(join(project, 'vercel.json')).json()
  const files = [...new Glob('api/*.ts').scanSync(project)]
  const own = files.map((file) => [toPattern(`/${file.replace(/(?:\/index)?\.ts$/, '')}`), byMethod(file)] as const)
  const rewritten = (rewrites as { source: string; destination: string }[]).map(({ source, destination }) => {
    const file = [`${destination}.ts`, `${destination}/index.ts`].find((name) => files.includes(name.slice(1)))
    return [toPattern(source), byMethod(file ?? '')] as const
  })
  return [...own, ...rewritten]
}

function byMethod(file: string): Handler {
  return async (request, context) => {
    const { [request.method]: answer } = (await import(join(project, file))) as Record<string, Handler | undefined>
    return answer ? answer(request, context) : new Response('', { status: 405 })
  }
}

/** A function is where its `config.path` says. One with a schedule has no address; here it is called by its name. */
async function netlifyRoutes(): Promise<Routes> {
  const files = [...new Glob('netlify/functions/*.mts').scanSync(project)]
  const found = files.map(async (file) => {
    const { default: answer, config } = (await import(join(project, file))) as NetlifyModule
    const name = file.replace(/^.*\/(.*)\.mts$/, '$1')
    const paths = config.schedule ? [`/.netlify/functions/${name}`] : (config.path ?? [])
    return paths.map((path) => [toPattern(path.replace(/\*$/, '(.*)')), answer] as const)
  })
  return (await Promise.all(found)).flat()
}

interface NetlifyModule {
  readonly default: Handler
  readonly config: { readonly path?: readonly string[]; readonly schedule?: string }
}

function toPattern(source: string): RegExp {
  return new RegExp(`^${source}$`)
}
