/** Opens a database at a signal, together with others, and enqueues into it: `bun open.ts <database> <name> <jobs>`. */
import { createClient } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'

const [path, name, jobs] = process.argv.slice(2)
console.log('ready')
await new Promise((resolve) => process.stdin.once('data', resolve))
try {
  const broker = sqliteBroker({ path: String(path) })
  const tq = createClient({ broker })
  for (let at = 0; at < Number(jobs); at++) await tq.enqueue('quick', at, { id: `${name}-${at}` })
  await broker.close()
  console.log('done')
} catch (error) {
  console.log(`failed ${error}`)
}
process.exit(0)
