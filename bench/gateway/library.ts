/** The client library alone, in a process of its own until its input ends: `redis` as argument. Runs pipelines for so many seconds a line. */
import { createInterface } from 'node:readline'
import { createClient } from '@redis/client'
import { completeTracingChannels } from '../../adapters/gateway/redis/tracing.ts'
import { CONNECTIONS } from '../http/load.ts'
import { perSecond } from '../stats.ts'
import { PIPELINE } from './names.ts'

const [url = ''] = process.argv.slice(2)
// As fast as it gets: without traces that nobody reads, as in the gateway. Its own deadlines, which are on by default, halve it, and
// `multi().execAsPipeline()` is a quarter slower.
completeTracingChannels()
const client = createClient({ url, RESP: 2, commandOptions: { timeout: 0 } })
await client.connect()

/** As many pipelines under way at once as wrk has connections to the gateway. */
async function commandsPerS(seconds: number): Promise<number> {
  const endsAtMs = performance.now() + seconds * 1_000
  let pipelines = 0
  async function run(): Promise<void> {
    while (performance.now() < endsAtMs) {
      await Promise.all(PIPELINE.map((command) => client.sendCommand(command)))
      pipelines++
    }
  }
  const perS = await perSecond(1, () => Promise.all(Array.from({ length: CONNECTIONS }, run)))
  return perS * pipelines * PIPELINE.length
}

console.log(url)
createInterface({ input: process.stdin })
  .on('line', async (seconds) => console.log(await commandsPerS(Number(seconds))))
  .on('close', () => {
    console.log('ended')
    process.exit()
  })
