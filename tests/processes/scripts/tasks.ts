import { defineApp, defineTask } from 'tq-edge'

/** What the processes of these tests run. */
export const app = defineApp({
  tasks: [
    defineTask({ name: 'quick', run: (input) => input }),
    /** Ends when its worker is told `finish` on stdin, and says when it has begun. */
    defineTask({
      name: 'held',
      run(_input, job) {
        console.log(`began ${job.id}`)
        return finish.promise
      },
    }),
  ],
})

export const finish = Promise.withResolvers<string>()
