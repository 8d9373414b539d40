import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../src/clock.ts'

/** What a save may touch: data that jobs write into the folder does not count. */
const SOURCE = /\.[cm]?[jt]sx?$/
/** Editors write in several steps; one reload follows the last of them. */
const DEBOUNCE_MS = 60
/** Some watchers drop what comes close after another event; a second look finds it. */
const SECOND_LOOK_MS = 300

export interface SourceWatcher {
  close(): void
}

/**
 * Calls `onChange` with the newest time of change whenever sources below a folder have changed, appeared or gone.
 *
 * A watch per folder rather than a recursive one: that would watch `node_modules` as well, and does so differently on each
 * runtime. What an event says is not looked at: it is only a reason to compare the files with what they were.
 */
export function watchSources(
  folder: string,
  onChange: (changedAtMs: number) => void,
  clock: Clock = systemClock,
): SourceWatcher {
  const watchers = new Map<string, FSWatcher>()
  let known = scan(folder)
  let cancelLook = () => {}
  let cancelSecondLook = () => {}

  function look(): void {
    const current = scan(folder)
    const changed = [...current.files].filter(([file, ms]) => known.files.get(file) !== ms).map(([, ms]) => ms)
    const gone = [...known.files.keys()].some((file) => !current.files.has(file))
    known = current
    watchFolders()
    if (changed.length > 0 || gone) onChange(Math.max(0, ...changed))
  }

  function lookSoon(): void {
    cancelLook()
    cancelSecondLook()
    cancelLook = clock.after(DEBOUNCE_MS, look)
    cancelSecondLook = clock.after(SECOND_LOOK_MS, look)
  }

  function watchFolders(): void {
    for (const each of known.folders) if (!watchers.has(each)) watchFolder(each)
    for (const [each, watcher] of watchers) if (!known.folders.has(each)) unwatch(each, watcher)
  }

  function watchFolder(each: string): void {
    try {
      const watcher = watch(each, lookSoon)
      watcher.on('error', () => unwatch(each, watcher))
      watchers.set(each, watcher)
    } catch {
      // Gone again, or no watches left: what changes there is seen with the next change elsewhere.
    }
  }

  function unwatch(each: string, watcher: FSWatcher): void {
    watcher.close()
    watchers.delete(each)
  }

  watchFolders()
  return {
    close() {
      cancelLook()
      cancelSecondLook()
      for (const [each, watcher] of watchers) unwatch(each, watcher)
    },
  }
}

interface Sources {
  readonly folders: Set<string>
  /** From each file to when it was last changed. */
  readonly files: Map<string, number>
}

function scan(folder: string, found: Sources = { folders: new Set(), files: new Map() }): Sources {
  const entries = readable(folder)
  if (!entries) return found
  found.folders.add(folder)
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && !isIgnored(entry.name)) scan(path, found)
    else if (SOURCE.test(entry.name)) addFile(path, found)
  }
  return found
}

/** Undefined for a folder that has gone since it was listed, or that is another user's. */
function readable(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return undefined
  }
}

function addFile(path: string, { files }: Sources): void {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isFile()) files.set(path, stat.mtimeMs)
}

function isIgnored(name: string): boolean {
  return name.startsWith('.') || name === 'node_modules' || name === 'dist'
}
