import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteBroker } from '../adapters/brokers/sqlite/index.ts'
import type { Subject } from './subject.ts'

/** The embedded broker, in a file of its own in a temporary folder. */
export const sqlite: Subject = {
  broker: 'sqlite',
  open: (path) => sqliteBroker({ path }),
  async create() {
    const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
    const path = join(folder, 'tq.db')
    const broker = sqliteBroker({ path })
    const remove = () => rmSync(folder, { recursive: true, force: true })
    return {
      broker,
      address: path,
      async weighAndRemove() {
        // Closing the last connection writes the log back into the file.
        await broker.close()
        const { size } = statSync(path)
        remove()
        return size
      },
    }
  },
}
