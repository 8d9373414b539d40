/** The embedded broker as the suite wants it: in memory, and as a file that several brokers open. */
import { sqliteBroker } from '../../adapters/brokers/sqlite/index.ts'
import { createFolder, type TestFolder } from '../support/folder.ts'
import { seededRandom } from '../support/random.ts'
import type { CreateSubject } from './subject.ts'

export const sqliteInMemory: CreateSubject = (clock, bounds) =>
  sqliteBroker({ path: ':memory:', clock, random: seededRandom(1), ...bounds })

export const sqliteInFile: CreateSubject = (clock, bounds) => {
  let folder: TestFolder | undefined
  return {
    open() {
      folder ??= createFolder()
      return sqliteBroker({ path: folder.file('tq.db'), clock, random: seededRandom(1), ...bounds })
    },
    remove: () => folder?.remove(),
  }
}
