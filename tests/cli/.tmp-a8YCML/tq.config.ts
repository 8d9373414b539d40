
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type Blobs, defineApp, defineTask } from 'tq-edge'

const folder = new URL('kept/', import.meta.url)
const blobs: Blobs = {
  put(key, text) {
    mkdirSync(new URL('.', new URL(key, folder)), { recursive: true })
    writeFileSync(new URL(key, folder), text)
  },
  get: (key) => readFileSync(new URL(key, folder), 'utf8'),
}

export default defineApp({ blobs, tasks: [defineTask({ name: 'twice', run: (text) => `${text}${text}` })] })
