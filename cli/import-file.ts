/** Importing a user's file, TypeScript or JavaScript, on Node, Bun and Deno: once, or afresh at every save. */
import { dirname, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isTakenForCommonJs } from './module-kind.ts'

export type Module = Readonly<Record<string, unknown>>
export type ImportFile = (file: string) => Promise<Module>

/** What Node says where it cannot load TypeScript by itself, or not this TypeScript (enums, parameter properties). */
const NEEDS_JITI: ReadonlySet<unknown> = new Set(['ERR_UNKNOWN_FILE_EXTENSION', 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'])

/** Imports a file natively, or by jiti where the runtime cannot. */
export async function importFile(file: string): Promise<Module> {
  if (isTakenForCommonJs(file)) return importByJiti(file) // It reads either kind, and warns of neither.
  try {
    return await import(pathToFileURL(file).href)
  } catch (error) {
    if (NEEDS_JITI.has((error as { code?: unknown }).code) || isPlaceless(error)) return importByJiti(file)
    throw error
  }
}

/** Node keeps the place of a syntax error in plain JavaScript to itself; jiti's parser tells it. */
function isPlaceless(error: unknown): boolean {
  return error instanceof SyntaxError && !/^\S+:\d+\n/.test(error.stack ?? '') && process.versions.bun === undefined
}

async function importByJiti(file: string): Promise<Module> {
  const { createJiti } = await import('jiti')
  return createJiti(import.meta.url).import(file)
}

/**
 * An import that runs the file anew each time, together with everything below its folder that it imports, packages left
 * out. What was imported before lives on for whoever holds it: jobs in flight finish on the old code, but for what they
 * import only then.
 */
export function createFreshImport(folder: string): ImportFile {
  const bun = (globalThis as { Bun?: BunGlobal }).Bun
  return bun ? freshOnBun(bun, folder) : freshByJiti(folder)
}

interface BunGlobal {
  plugin(plugin: { name: string; setup(build: BunBuild): void }): unknown
  resolveSync(specifier: string, folder: string): string
}

interface BunBuild {
  onResolve(
    options: { filter: RegExp },
    resolve: (request: { path: string; importer: string }) => { path: string } | undefined,
  ): unknown
}

/**
 * A module's generation is a query after its path. Deleting from `require.cache` does not do: Bun 1.4 keeps a module whose
 * import has failed to link, so that the file would stay broken after it has been mended.
 */
function freshOnBun(bun: BunGlobal, folder: string): ImportFile {
  let generation = 0
  let resolving = false
  const resolve = (specifier: string, importer: string) => {
    resolving = true // The plugin is asked about what it resolves itself, too.
    try {
      return bun.resolveSync(specifier, dirname(importer))
    } catch {
      return undefined // Bun then says itself what is missing.
    } finally {
      resolving = false
    }
  }
  bun.plugin({
    name: 'tq-reload',
    setup: (build) =>
      void build.onResolve({ filter: /.*/ }, ({ path, importer }) => {
        const target = !resolving && isOwn(importer, folder) ? resolve(path, importer) : undefined
        return target && isOwn(target, folder) ? { path: `${target}?${generation}` } : undefined
      }),
  })
  return (file) => import(`${file}?${++generation}`)
}

/** With the module cache on, so that two importers of one file share it; emptied below the folder before each import. */
function freshByJiti(folder: string): ImportFile {
  let cached: Promise<import('jiti').Jiti> | undefined
  return async (file) => {
    cached ??= import('jiti').then(({ createJiti }) => createJiti(import.meta.url, { fsCache: false }))
    const jiti = await cached
    for (const path of Object.keys(jiti.cache)) if (isOwn(path, folder)) delete jiti.cache[path]
    return jiti.import(file)
  }
}

function isOwn(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep) && !path.includes(`${sep}node_modules${sep}`)
}
