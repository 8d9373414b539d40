import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { UsageError } from '../errors.ts'
import type { Files } from './project.ts'

/** All of them or none. Throws `UsageError`, which names them, for files that are there already, unless told to overwrite. */
export function writeFiles(folder: string, files: Files, { force }: { force: boolean }): void {
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw new UsageError(`expected ${folder} to be a folder, got a file: name another one`)
  const there = Object.keys(files).filter((path) => existsSync(join(folder, path)))
  if (there.length > 0 && !force)
    throw new UsageError(
      `expected none of the files to be there, got ${there.join(', ')}: name an empty folder, or pass --force to overwrite them`,
    )
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text, { flag: force ? 'w' : 'wx' })
  }
}
