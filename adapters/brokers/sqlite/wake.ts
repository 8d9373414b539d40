import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from 'node:fs'
import { beatsOf, CANCELS, type Wake } from '../../../src/broker.ts'
import { createListeners } from '../listeners.ts'
import type { Driver } from './driver.ts'
import { changesOf, isWaiting, unregisterWaiting } from './waiting.ts'

/**
 * Hints between processes on one machine.
 *
 * Who waits is a row in `tq_waiting`, written in the same step that found nothing. A step that has something for them takes
 * rows away (it names them) and, once committed, touches one file beside the database that every waiting process watches;
 * each looks whether its own rows are gone. The file is touched only when somebody was named.
 *
 * Beats do not wait in rows, since each of them is to hear of a change: every change of an app's schedules is counted, and who
 * listens looks whether the number is another one.
 */
export interface SqliteWake extends Wake {
  /** To be called once a step that registered this waiter has committed. */
  registered(waiter: string): void
  /** To be called once a step that named these waiters has committed. */
  named(waiters: readonly string[]): void
  /** To be called once a step that counted a change has committed. */
  changed(): void
  close(): void
}

/** Watchers merge or drop events that come close together; one more look after each catches what they dropped. */
const SECOND_LOOK_MS = 15
/** How long to wait for our own touch to be reported before the file system counts as silent. */
const SELF_TEST_MS = 250
/** Where the file system reports nothing: how often to ask whether the database has changed. */
const POLL_MS = 25

export function createWake(driver: Driver): SqliteWake {
  const listeners = createListeners()
  const waiting = new Set<string>()
  /** How many changes were counted for those who listen here, when last looked. */
  const seenChanges = new Map<string, number>()
  const watcher = driver.path === ':memory:' ? undefined : createFileWatcher(`${driver.path}-wake`, driver, look)

  /** Hints every waiter of this process whose rows somebody has taken away. */
  function look(): void {
    for (const waiter of [...waiting]) if (!unlessItFails(true, () => isWaiting(driver, waiter))) hint(waiter)
    lookAtChanges()
  }

  function lookAtChanges(): void {
    for (const [waiter, seen] of [...seenChanges]) {
      const changes = unlessItFails(seen, () => changesOf(driver, waiter))
      seenChanges.set(waiter, changes)
      if (changes !== seen) listeners.hint(waiter)
    }
  }

  /** Whoever waits no more is not to be named in the place of one who does. */
  function forget(waiter: string): void {
    if (listeners.has(waiter)) return
    seenChanges.delete(waiter)
    if (waiting.delete(waiter)) unlessItFails(undefined, () => unregisterWaiting(driver, waiter))
    if (listeners.size === 0) watcher?.stop()
  }

  function hint(waiter: string): void {
    waiting.delete(waiter)
    listeners.hint(waiter)
  }

  return {
    async listen(waiter, onHint) {
      const remove = listeners.add(waiter, onHint)
      if (isCounted(waiter) && !seenChanges.has(waiter))
        seenChanges.set(
          waiter,
          unlessItFails(0, () => changesOf(driver, waiter)),
        )
      await watcher?.start()
      return () => {
        remove()
        forget(waiter)
      }
    },
    registered: (waiter) => void waiting.add(waiter),
    named(waiters) {
      for (const waiter of waiters) if (listeners.has(waiter)) queueMicrotask(() => hint(waiter))
      if (waiters.some((waiter) => !listeners.has(waiter))) watcher?.touch()
    },
    changed() {
      queueMicrotask(lookAtChanges)
      watcher?.touch()
    },
    close: () => watcher?.close(),
  }
}

/** Of whom nobody registers: what they listen for is counted. */
const isCounted = (waiter: string) => waiter === CANCELS || waiter.startsWith(beatsOf(''))

interface FileWatcher {
  /** Resolves once changes are reported, or polled for. */
  start(): Promise<void>
  stop(): void
  touch(): void
  close(): void
}

function createFileWatcher(path: string, driver: Driver, onChange: () => void): FileWatcher {
  let fd: number | undefined
  let watcher: FSWatcher | undefined
  let starting: Promise<void> | undefined
  let secondLook: ReturnType<typeof setTimeout> | undefined
  let poll: ReturnType<typeof setInterval> | undefined
  let confirm: () => void = () => {}
  let stopped = false

  /** Written in place: truncating and writing again would be two events. */
  function touch(): void {
    unlessItFails(undefined, () => {
      fd ??= openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
      writeSync(fd, '.', 0)
    })
  }

  function changed(): void {
    confirm()
    onChange()
    // Anew after each: what follows the last of a burst may be dropped as well.
    clearTimeout(secondLook)
    secondLook = setTimeout(() => {
      secondLook = undefined
      onChange()
    }, SECOND_LOOK_MS)
  }

  function startPolling(): void {
    watcher?.close()
    watcher = undefined
    let version = unlessItFails(0, () => dataVersion(driver))
    poll ??= setInterval(() => {
      const current = unlessItFails(version, () => dataVersion(driver))
      if (current !== version) onChange()
      version = current
    }, POLL_MS)
  }

  /** Whoever has stopped meanwhile hears nothing, and needs nothing to be polled. */
  async function start(): Promise<void> {
    stopped = false
    if (!(await startWatching()) && !stopped) startPolling()
  }

  /** True once a touch of our own has come back. */
  async function startWatching(): Promise<boolean> {
    touch()
    try {
      watcher = watch(path, { persistent: false }, changed)
    } catch {
      return false // No watches left, or none on this file system.
    }
    watcher.on('error', startPolling)
    return new Promise((resolve) => {
      const silent = setTimeout(() => resolve(false), SELF_TEST_MS)
      confirm = () => {
        clearTimeout(silent)
        confirm = () => {}
        resolve(true)
      }
      touch()
    })
  }

  function stop(): void {
    stopped = true
    watcher?.close()
    clearTimeout(secondLook)
    clearInterval(poll)
    watcher = secondLook = poll = starting = undefined
  }

  return {
    start: () => (starting ??= start()),
    stop,
    touch,
    close() {
      stop()
      if (fd !== undefined) closeSync(fd)
      fd = undefined
    },
  }
}

/**
 * A hint may be lost, so nothing about hints may fail a step that has been committed, or end the process from a timer: what
 * ails the file or the database shows in the next exchange.
 */
function unlessItFails<T>(otherwise: T, run: () => T): T {
  try {
    return run()
  } catch {
    return otherwise
  }
}

/** Changes whenever another connection has committed. */
function dataVersion(driver: Driver): number {
  return Number(driver.all('pragma data_version')[0]?.data_version)
}
