import type { LoadedApp } from '../config.ts'
import { shortPath } from '../config.ts'

/** The curl that enqueues a job of the app: its own example, or else its first task. Null for an app without tasks. */
export function toCurl({ app, example }: Pick<LoadedApp, 'app' | 'example'>, url: string): string | null {
  const task = example.task ?? app.tasks.keys().next().value
  if (task === undefined) return null
  const data = example.file ? `@${shortPath(example.file)}` : JSON.stringify(example.input ?? {})
  return `curl -X POST ${url}/v1/tasks/${encodeURIComponent(task)} -H 'Content-Type: application/json' -d ${quote(data)}`
}

/** For a POSIX shell. */
function quote(text: string): string {
  return /^[\w@./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
