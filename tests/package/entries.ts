import { join } from 'node:path'

export const ROOT: string = join(import.meta.dir, '../..')

/** From each subpath of the package to the source of its entry. */
export async function entries(): Promise<Record<string, string>> {
  const { exports } = await Bun.file(join(ROOT, 'package.json')).json()
  const subpaths = Object.entries(exports as Record<string, { default?: string }>).filter(
    ([, target]) => target.default,
  )
  return Object.fromEntries(
    subpaths.map(([subpath, target]) => [
      subpath,
      (target.default ?? '').replace('./dist/', '').replace(/\.js$/, '.ts'),
    ]),
  )
}
