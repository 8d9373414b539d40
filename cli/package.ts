import { existsSync, readFileSync } from 'node:fs'

/** What package.json says of this very package. */
export interface OwnPackage {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
}

/** package.json is one level up from the sources, two from what is built. */
export function ownPackage(): OwnPackage {
  const urls = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)]
  const file = urls.find((url) => existsSync(url))
  return file ? JSON.parse(readFileSync(file, 'utf8')) : { version: 'unknown', dependencies: {} }
}
