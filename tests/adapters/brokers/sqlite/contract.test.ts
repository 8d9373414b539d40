import { testBroker } from '../../../contract/bun.ts'
import { sqliteInFile, sqliteInMemory } from '../../../contract/sqlite.ts'

testBroker('sqlite in memory', sqliteInMemory)
testBroker('sqlite in a file', sqliteInFile)
