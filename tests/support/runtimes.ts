import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** A runtime other than the one the tests run on. */
export interface OtherRuntime {
  /** As in `node 24.21.0`. */
  readonly name: string
  /** What to start a TypeScript file with. */
  readonly command: readonly string[]
}

/** Where `npm ci --prefix tests/runtimes` puts them; TQ_RUNTIMES names another place. */
const INSTALLED = process.env.TQ_RUNTIMES ?? join(import.meta.dir, '..', 'runtimes', 'node_modules')

/** A path among what is installed for the tests. */
export function installed(path: string): string {
  return join(INSTALLED, path)
}

/** Every Node with SQLite and TypeScript, and every Deno: on the PATH and installed for the tests. One of each version. */
export function otherRuntimes(): readonly OtherRuntime[] {
  const nodes = [Bun.which('node'), ...['node22', 'node24', 'node26'].map((name) => installed(`${name}/bin/node`))]
  const denos = [Bun.which('deno'), installed('.bin/deno')]
  const found = [...nodes.flatMap((path) => toNode(path)), ...denos.flatMap((path) => toDeno(path))]
  return [...new Map(found.map((runtime) => [runtime.name, runtime])).values()]
}

/** `node:sqlite` needs no flag from 22.13 on, TypeScript none from 22.18. */
function toNode(path: string | null): OtherRuntime[] {
  const [major = 0, minor = 0, patch = 0] = versionOf(path)
  if (!path || major < 22 || (major === 22 && minor < 13)) return []
  const flags =
    major === 22 && minor < 18 ? ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'] : []
  return [{ name: `node ${major}.${minor}.${patch}`, command: [path, ...flags] }]
}

function toDeno(path: string | null): OtherRuntime[] {
  const version = versionOf(path)
  if (!path || version.length === 0) return []
  return [{ name: `deno ${version.join('.')}`, command: [path, 'run', '--allow-all', '--no-check', '--no-remote'] }]
}

/** Empty where there is nothing to start. */
export function versionOf(path: string | null, command: readonly string[] = path ? [path] : []): readonly number[] {
  if (!path || !existsSync(path)) return []
  const { stdout, success } = Bun.spawnSync([...command, '--version'])
  const [, ...numbers] = /(\d+)\.(\d+)\.(\d+)/.exec(stdout.toString()) ?? []
  return success ? numbers.map(Number) : []
}
