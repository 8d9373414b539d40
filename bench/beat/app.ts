import { every } from '../../scheduler/index.ts'
import { type App, defineApp, defineTask } from '../../src/index.ts'
import { nameSchedules } from './names.ts'

/** What an app of alike schedules is made of: what goes from one process to another. */
export interface AppShape {
  readonly schedules: number
  readonly everyMs: number
  /** Over how long their due times are spread; 0 has all of them due at once. */
  readonly jitterMs: number
  readonly catchUp: 'latest' | 'all'
}

export const noop = defineTask({ name: 'noop', run: () => {} })

export function toApp({ schedules, everyMs, jitterMs, catchUp }: AppShape, task = noop): App {
  return defineApp({
    tasks: [task],
    schedules: nameSchedules(schedules).map((name) => every(name, everyMs, { task, jitterMs, catchUp })),
  })
}
