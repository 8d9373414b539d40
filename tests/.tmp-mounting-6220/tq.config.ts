import { defineApp, defineTask } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
import * as v from 'valibot'

const greet = defineTask({
  name: 'greet',
  input: v.object({ name: v.string() }),
  run: ({ name }) => `Hello, ${name}`,
})
const fail = defineTask({
  name: 'fail',
  retry: { maxAttempts: 1 },
  run: () => {
    throw new Error('as told')
  },
})
const linger = defineTask({
  name: 'linger',
  run: (_, job) => new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
})

export default defineApp({
  name: 'greeter',
  tasks: [greet, fail, linger],
  schedules: [every('greetings', '1s', { task: greet, input: { name: 'beat' } })],
})
