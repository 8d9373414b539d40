import { defineApp } from 'tq-edge'
import { every } from 'tq-edge/scheduler'
import { checkUrl, receivePush } from './tasks.ts'

/** Where `tq dev` serves the REST API that the checks ask. */
const devUrl = process.env.TQ_URL ?? 'http://127.0.0.1:8787'

export default defineApp({
  name: 'push-digest',
  tasks: [receivePush, checkUrl],
  schedules: [
    every('check-health', '5s', { task: checkUrl, input: { url: `${devUrl}/healthz` } }),
    // Is not there: twice a minute you see a job fail for good.
    every('check-missing', '30s', { task: checkUrl, input: { url: `${devUrl}/missing` } }),
  ],
})

/** `tq dev` prints the curl that enqueues this. */
export const example = { task: 'push.received' }
export const exampleFile = './push.json'
