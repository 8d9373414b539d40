import { createSqliteBroker } from '../../../../adapters/brokers/sqlite/broker.ts'
import type { Driver } from '../../../../adapters/brokers/sqlite/driver.ts'
import { openDatabase } from '../../../../adapters/brokers/sqlite/open.ts'
import type { QueueBounds } from '../../../../src/bounds.ts'
import type { Broker } from '../../../../src/broker.ts'
import type { Clock } from '../../../../src/clock.ts'
import { createVirtualClock } from '../../../support/clock.ts'

export interface Counted {
  readonly broker: Broker
  readonly driver: Driver
  /** The statements that ran since the last call of it. */
  takeStatements(): readonly string[]
}

/** A broker of which every statement is seen. */
export function countedBroker(path = ':memory:', clock: Clock = createVirtualClock(), bounds?: QueueBounds): Counted {
  const driver = openDatabase({ path, besideOtherTables: false, durability: 'normal' })
  let statements: string[] = []
  const counting: Driver = {
    ...driver,
    all(sql, ...values) {
      statements.push(sql)
      return driver.all(sql, ...values)
    },
    run(sql, ...values) {
      statements.push(sql)
      return driver.run(sql, ...values)
    },
    exec(sql) {
      statements.push(sql)
      driver.exec(sql)
    },
  }
  return {
    broker: createSqliteBroker(counting, clock, () => 0.5, bounds),
    driver,
    takeStatements() {
      const taken = statements
      statements = []
      return taken
    },
  }
}
