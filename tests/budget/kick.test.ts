/** What a kick costs on Redis, against docs/costs.md. */
import { afterAll, expect, test } from 'bun:test'
import { createClient, defineApp, defineTask } from 'tq-edge'
import { withKick } from 'tq-edge/client'
import { STEP_COMMANDS } from '../../adapters/brokers/redis/cost.ts'
import { createEdge } from '../../adapters/runtimes/edge.ts'
import { job } from '../contract/verbs.ts'
import { createTally } from '../support/tally.ts'
import { type Meter, startMeter, whyNotCounted } from './meter.ts'

const NOTHING = 10
const SOME = 24
const FIRST_CALLS = 5
/** A look for whoever waits, where nobody does. */
const EMPTY_QUEUE = 1
const URL_OF_DRAIN = 'https://edge.test/v1/drain'
const SECRET = 'a-long-random-secret'
const VARIABLES = { TQ_TOKENS: 'a-long-random-token', TQ_KICK_SECRET: SECRET }
const tiny = defineTask({ name: 'digest', run: () => 'done' })

const meter: Meter | undefined = whyNotCounted ? undefined : await startMeter()
afterAll(() => meter?.close())

const NAME = 'a kick costs its producer no command, and the edge worker one drain'
if (meter) test(NAME, () => check(meter))
else test.skip(`${NAME} (${whyNotCounted})`, () => {})

async function check(redis: Meter): Promise<void> {
  const { broker, ended } = redis.open({ subscribe: false })
  // A queue that this process has used before.
  await broker.enqueue([job('warm')])
  await broker.remove(['warm'])
  const edge = createEdge(defineApp({ tasks: [tiny] }), { broker: () => broker })
  const kicks: Request[] = []
  const kicked = createTally()
  const fetch = async (request: Request) => {
    kicks.push(request)
    kicked.add()
    return new Response('', { status: 202 })
  }
  const producer = createClient({
    broker: withKick(broker, { url: URL_OF_DRAIN, secret: SECRET, fetch, intervalMs: 0 }),
  })

  async function enqueue(count: number): Promise<number> {
    const before = kicks.length
    const requests = Array.from({ length: count }, () => ({ task: 'digest' }))
    const { total } = await redis.count(async () => {
      await producer.enqueueMany(requests as never)
      await kicked.reaches(before + 1)
    })
    return total
  }

  async function drain(): Promise<number> {
    const request = (kicks.at(-1) as Request).clone() as Request
    const { total } = await redis.count(async () => {
      const background: Promise<unknown>[] = []
      const { status } = await edge.fetch(request, VARIABLES, (work) => void background.push(work))
      expect([status, background.length]).toEqual([202, 1])
      await Promise.all(background)
      await ended()
    })
    return total
  }

  expect(await enqueue(50)).toBeLessThanOrEqual(STEP_COMMANDS.enqueueMany + FIRST_CALLS)
  expect(await drain()).toBeLessThanOrEqual(SOME + FIRST_CALLS)
  expect(await drain()).toBeLessThanOrEqual(NOTHING)
  expect(await enqueue(1)).toBeLessThanOrEqual(STEP_COMMANDS.enqueueOne + EMPTY_QUEUE)
  expect(await drain()).toBeLessThanOrEqual(SOME)
  expect(await enqueue(50)).toBeLessThanOrEqual(STEP_COMMANDS.enqueueMany + EMPTY_QUEUE)
  expect(await drain()).toBeLessThanOrEqual(SOME)
}
