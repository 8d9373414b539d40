import { defineApp, defineTask } from 'tq-edge'
import { every } from 'tq-edge/scheduler'

export const EVERY_MS = 100

const note = defineTask({ name: 'note', run: () => 'noted' })

/** Many schedules of the shortest interval, of which no due time may be lost. */
export const app = defineApp({
  name: 'beats',
  tasks: [note],
  schedules: Array.from({ length: 200 }, (_, at) => every(`often-${at}`, EVERY_MS, { task: note, catchUp: 'all' })),
})

export default app
