import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestFolder {
  readonly path: string
  /** A path inside it. */
  file(...names: string[]): string
  remove(): void
}

/** In memory where the system has a place for that: tests wait for no disk. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A folder of a test's own. */
export function createFolder(): TestFolder {
  const path = mkdtempSync(join(PARENT, 'tq-test-'))
  return {
    path,
    file: (...names) => join(path, ...names),
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}
