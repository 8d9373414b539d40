import type { LoadedApp } from '../config.ts'
import { shortPath } from '../config.ts'

/**
 * The curl that enqueues a job of the app: its own example, or else its first task, with the input that a schedule gives
 * it, which passes its schema. Null for an app without tasks.
 */
export function toCurl({ app, example }: Pick<LoadedApp, 'app' | 'example'>, url: string): string | null {
  const task = example.task ?? app.tasks.keys().next().value
  if (task === undefined) return null
  const data = example.file
    ? `@${shortPath(example.file)}`
    : (toText(example.input) ?? scheduledInput(app, task) ?? '{}')
  return `curl -X POST ${url}/v1/tasks/${encodeURIComponent(task)} -H 'Content-Type: application/json' -d ${quote(data)}`
}

function toText(input: unknown): string | undefined {
  return input === undefined ? undefined : JSON.stringify(input)
}

function scheduledInput({ schedules }: LoadedApp['app'], task: string): string | undefined {
  return schedules.find((schedule) => schedule.task === task && schedule.input !== '')?.input
}

/** For a POSIX shell. */
function quote(text: string): string {
  return /^[\w@./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
