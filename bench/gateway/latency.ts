import { createClient } from '@redis/client'
import { TOKEN } from '../http/names.ts'
import { quantile } from '../stats.ts'
import { GET } from './names.ts'

const WARM_UP = 1_000

export interface Latency {
  /** What the way through the gateway takes longer. */
  readonly addedMs: number
  readonly gatewayMs: number
  readonly libraryMs: number
}

/** How long one GET takes at the median, through the gateway by `fetch` and by the library, one after the other and in turn. */
export async function measureLatency(gatewayUrl: string, redisUrl: string, samples: number): Promise<Latency> {
  const client = createClient({ url: redisUrl, RESP: 2 })
  await client.connect()
  const request = { method: 'POST', headers: { Authorization: `Bearer ${TOKEN}` }, body: JSON.stringify(GET) }
  const throughGateway = await createTimer(async () => {
    const { result } = (await (await fetch(gatewayUrl, request)).json()) as { result?: string }
    if (result === undefined) throw new Error('expected a result of the gateway, got none')
  })
  const byLibrary = await createTimer(() => client.sendCommand(GET))
  for (let sample = 0; sample < samples; sample++) {
    await throughGateway.take()
    await byLibrary.take()
  }
  client.destroy()
  const [gatewayMs, libraryMs] = [throughGateway.p50(), byLibrary.p50()]
  return { gatewayMs, libraryMs, addedMs: gatewayMs - libraryMs }
}

async function createTimer(call: () => Promise<unknown>) {
  for (let time = 0; time < WARM_UP; time++) await call()
  const tookMs: number[] = []
  return {
    async take(): Promise<void> {
      const startedMs = performance.now()
      await call()
      tookMs.push(performance.now() - startedMs)
    },
    p50: () => quantile(tookMs, 0.5),
  }
}
