/**
 * What `npm publish` would upload, installed with its dependencies into an empty project: what a user has.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runOrThrow } from './command.ts'

export const ROOT: string = join(import.meta.dir, '../..')
/** The CLI in the project, where a runtime is to start it by itself. */
export const CLI = 'node_modules/tq-edge/dist/cli/index.js'
/** Of the sources, at the same places in the project: what uses the package, not what is in it. */
const COPIED = [
  'examples/anywhere',
  'examples/edge',
  'examples/edge-producer',
  'tests/runtimes/project',
  'tests/src/client.types.ts',
  'wrangler.toml',
]

export interface Packed {
  /** The project's folder. */
  readonly path: string
  readonly tarball: string
  /** The paths in it, without `package/`. */
  readonly files: readonly string[]
  readonly version: string
}

interface Manifest {
  readonly filename: string
  readonly version: string
  readonly files: readonly { readonly path: string }[]
}

/** Builds, packs and installs, and removes it all once it has been used. Asks the registry for what npm has not yet seen. */
export async function withPacked<T>(use: (packed: Packed) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tq-packed-'))
  try {
    const packed = await packInto(folder)
    await install(packed)
    return await use(packed)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function packInto(folder: string): Promise<Packed> {
  const printed = await runOrThrow(['npm', 'pack', '--json', '--silent', '--pack-destination', folder], { cwd: ROOT })
  const [{ filename, files, version }] = JSON.parse(printed) as [Manifest]
  const tarball = join(folder, filename)
  return { path: join(folder, 'project'), tarball, files: files.map((file) => file.path), version }
}

async function install({ path, tarball }: Packed): Promise<void> {
  mkdirSync(path)
  await Bun.write(join(path, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }))
  const { dependencies } = await Bun.file(join(ROOT, 'package.json')).json()
  const packages = [tarball, `valibot@${dependencies.valibot}`]
  await runOrThrow(['npm', 'install', ...packages, '--no-audit', '--no-fund', '--prefer-offline'], { cwd: path })
  for (const name of COPIED) await cp(join(ROOT, name), join(path, name), { recursive: true })
}
