/** The embedded broker as the suite wants it: in memory, and as a file that several brokers open. */
import { sqliteBroker } from '../../adapters/brokers/sqlite/index.ts'
import { createFolder, type TestFolder } from '../support/folder.ts'
import { seededRandom } from '../support/random.ts'
import type { CreateSubject } from './subject.ts'

export const sqliteInMemory: CreateSubject = (clock) =>
  sqliteBroker({ path: ':memory:', clock, random: seededRandom(1) })

export const sqliteInFile: CreateSubject = (clock) => {
  let folder: TestFolder | undefined
  return {
    open() {
      folder ??= createFolder()
      return sqliteBroker({ path: folder.file('tq.db'), clock, random: seededRandom(1) })
    },
    remove: () => folder?.remove(),
  }
}
