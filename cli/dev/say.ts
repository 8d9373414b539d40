import { DEFAULT_DB } from '../broker.ts'
import { type LoadedApp, shortPath } from '../config.ts'
import { printError, printJson, printLine } from '../print.ts'
import { toCurl } from './example.ts'
import type { RedisVariables } from './redis.ts'
import { REDIS_FOLDER } from './redis-server.ts'
import type { DevOptions } from './session.ts'

/** What `tq dev` itself has to say, beside the events. */
export interface Say {
  ready(loaded: LoadedApp): void
  /** How other processes reach the Redis that this one has started. */
  redis(variables: RedisVariables): void
  reloaded(loaded: LoadedApp, finishing: number): void
  broken(error: Error): void
}

type SayOptions = Pick<DevOptions, 'file' | 'db' | 'redis' | 'json'>

export function createSay({ file, db, redis, json }: SayOptions, url: string): Say {
  const jobsIn = redis ? REDIS_FOLDER : (db ?? DEFAULT_DB)
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  const facts = ({ app }: LoadedApp) => ({ app: app.name, tasks: app.tasks.size, schedules: app.schedules.length })
  if (json)
    return {
      ready: (loaded) => printJson({ kind: 'dev.ready', url: url, ...facts(loaded), db: jobsIn }),
      redis: (variables) => printJson({ kind: 'dev.redis', ...variables }),
      reloaded: (loaded, finishing) => printJson({ kind: 'dev.reloaded', ...facts(loaded), finishing }),
      broken: (error) => printJson({ kind: 'dev.broken', reason: error.message }),
    }
  return {
    ready(loaded) {
      const { app, tasks, schedules } = facts(loaded)
      printLine(
        `${app} (${shortPath(file)}): ${count(tasks, 'task')}, ${count(schedules, 'schedule')}, jobs in ${jobsIn}`,
      )
      printLine(`listening on ${url}`)
      printLine(`what may be called: ${url}/docs`)
      const curl = toCurl(loaded, url)
      if (curl) printLine(`\ntry it:\n  ${curl}\n`)
    },
    redis(variables) {
      printLine('for @upstash/redis in other processes:')
      for (const [name, value] of Object.entries(variables)) printLine(`  ${name}=${value}`)
      printLine('')
    },
    reloaded(loaded, finishing) {
      const { tasks, schedules } = facts(loaded)
      const old = finishing > 0 ? `; on the code before it, jobs to finish: ${finishing}` : ''
      printLine(`reloaded ${shortPath(file)}: ${count(tasks, 'task')}, ${count(schedules, 'schedule')}${old}`)
    },
    broken(error) {
      printError(error, false)
      printLine('not reloaded: the code before this save goes on')
    },
  }
}
