import { join } from 'node:path'
import { installed } from '../support/runtimes.ts'
import { runOrThrow } from './command.ts'

export interface Bundle {
  readonly code: string
  /** What is left to import, each as `<specifier> by <file>`. */
  readonly imports: readonly string[]
}

/** Bundles a module in the project, as for a Cloudflare Worker without Node's modules. */
export async function bundle(project: string, name: string, source: string): Promise<Bundle> {
  const [entry, out, meta] = [`${name}.entry.ts`, `${name}.js`, `${name}.json`]
  await Bun.write(join(project, entry), source)
  const form = ['--bundle', '--format=esm', '--conditions=workerd,worker,browser', '--main-fields=browser,module,main']
  const flags = [...form, '--external:node:*', '--external:bun:*', `--outfile=${out}`, `--metafile=${meta}`]
  await runOrThrow([installed('.bin/esbuild'), entry, ...flags, '--log-level=warning'], { cwd: project })
  const { inputs } = (await Bun.file(join(project, meta)).json()) as Metafile
  const imports = Object.entries(inputs).flatMap(([file, input]) =>
    input.imports.flatMap(({ path, external }) => (external ? [`${path} by ${file}`] : [])),
  )
  return { code: await Bun.file(join(project, out)).text(), imports }
}

interface Metafile {
  readonly inputs: Record<string, { readonly imports: readonly { readonly path: string; readonly external?: true }[] }>
}
