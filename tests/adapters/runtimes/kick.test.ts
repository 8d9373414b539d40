import { expect, test } from 'bun:test'
import { createClient, defineApp, defineTask, type TqEvent } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { withKick } from 'tq-edge/client'
import { createEdge, type EdgeOptions } from '../../../adapters/runtimes/edge.ts'
import { KICK_HEADER, signKick } from '../../../src/kick.ts'
import { createVirtualClock } from '../../support/clock.ts'
import { createTally } from '../../support/tally.ts'

const SECRET = 'a-long-random-secret'
const VARIABLES = { TQ_TOKENS: 'a-long-random-token', TQ_KICK_SECRET: SECRET }
const URL_OF_DRAIN = 'https://edge.test/v1/drain'
const MINUTE_MS = 60_000

/** An edge worker on a broker in memory, and a producer elsewhere that kicks it; `answers` says what a kick is met with instead. */
function setUp(options: Partial<EdgeOptions> & { answers?: () => Promise<Response> } = {}) {
  const { answers, ...given } = options
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path: ':memory:', clock })
  const ran: string[] = []
  const app = defineApp({ tasks: [defineTask({ name: 'note', run: (text: string) => void ran.push(text) })] })
  const edge = createEdge(app, { broker: () => broker, clock, ...given })
  const background: Promise<unknown>[] = []
  const kicks: Request[] = []
  const events: TqEvent[] = []
  const answered = createTally()
  const told = createTally()
  const fetch = (request: Request, variables: object = VARIABLES) => {
    kicks.push(request)
    const answer = answers ? answers() : edge.fetch(request, { ...variables }, (work) => void background.push(work))
    return answer.finally(answered.add)
  }
  const kick = async ({ secret = SECRET, agoMs = 0, inARow = 0, variables = VARIABLES as object } = {}) => {
    const headers = { [KICK_HEADER]: await signKick(secret, clock.now() - agoMs, inARow) }
    return fetch(new Request(URL_OF_DRAIN, { method: 'POST', headers }), variables)
  }
  const settled = async () => {
    for (let at = 0; at < background.length; at++) await background[at]
  }
  const onEvent = (event: TqEvent) => {
    events.push(event)
    told.add()
  }
  const producer = createClient({
    broker: withKick(broker, { url: URL_OF_DRAIN, secret: SECRET, fetch, clock, onEvent }),
    clock,
  })
  return {
    clock,
    broker,
    edge,
    ran,
    kicks,
    answered,
    told,
    events,
    fetch,
    kick,
    settled,
    background,
    producer,
    client: createClient({ broker, clock }),
  }
}

const statusOf = async (answer: Promise<Response>) => (await answer).status

test('a signed kick is answered at once, and drains after the answer', async () => {
  const { client, kick, background, settled, ran } = setUp()
  await client.enqueue('note', 'hello')
  const answer = await kick()
  expect([answer.status, await answer.text(), background.length]).toEqual([202, '{"state":"draining"}', 1])
  await settled()
  expect(ran).toEqual(['hello'])
})

test('a kick that nobody has signed, or not lately, or with another secret, drains nothing', async () => {
  const { kick, fetch, background } = setUp()
  expect(await statusOf(kick({ agoMs: 5 * MINUTE_MS + 1 }))).toBe(403)
  expect(await statusOf(kick({ agoMs: -5 * MINUTE_MS - 1 }))).toBe(403)
  expect(await statusOf(kick({ secret: 'another-long-secret' }))).toBe(403)
  const headers = { [KICK_HEADER]: await signKick(SECRET, 1_000, 0), authorization: `Bearer ${VARIABLES.TQ_TOKENS}` }
  expect(await statusOf(fetch(new Request(URL_OF_DRAIN, { method: 'POST', headers })))).toBe(403)
  const answer = await fetch(new Request(URL_OF_DRAIN, { method: 'POST' }))
  expect([answer.status, ((await answer.json()) as { type: string }).type]).toEqual([403, 'urn:tq:problem:unsigned'])
  expect(background).toEqual([])
  expect(await statusOf(kick({ agoMs: 5 * MINUTE_MS }))).toBe(202)
})

test('a signature holds for its own time and place in a row alone', async () => {
  const { fetch, clock } = setUp()
  const [atMs, , hex] = (await signKick(SECRET, clock.now(), 9)).split('.')
  for (const header of [`${atMs}.0.${hex}`, `${Number(atMs) + 1}.9.${hex}`, `${atMs}.9.${hex?.slice(2)}`, `${atMs}.9.`])
    expect(
      await statusOf(fetch(new Request(URL_OF_DRAIN, { method: 'POST', headers: { [KICK_HEADER]: header } }))),
    ).toBe(403)
})

test('while a secret is replaced, the old one and the new one are good', async () => {
  const { kick } = setUp()
  const variables = { ...VARIABLES, TQ_KICK_SECRET: `the-new-long-secret, ${SECRET}` }
  expect(await statusOf(kick({ variables }))).toBe(202)
  expect(await statusOf(kick({ variables, secret: 'the-new-long-secret' }))).toBe(202)
})

test('without a secret there is no such route, and a short one is no secret', async () => {
  const { kick, background } = setUp()
  expect(await statusOf(kick({ variables: { TQ_TOKENS: 'a-long-random-token' } }))).toBe(401)
  expect(await statusOf(kick({ variables: { ...VARIABLES, TQ_KICK_SECRET: 'short' }, secret: 'short' }))).toBe(500)
  expect(background).toEqual([])
})

test('jobs of a producer elsewhere run at once, with one kick per interval and one more for whoever came meanwhile', async () => {
  const { producer, kicks, answered, settled, ran, clock } = setUp()
  await producer.enqueue('note', 'first')
  await answered.reaches(1)
  await producer.enqueueMany(Array.from({ length: 5 }, (_, at) => ({ task: 'note', input: `more ${at}` })) as never)
  await producer.enqueue('note', 'last')
  await clock.advance(999)
  expect(kicks.length).toBe(1)
  await clock.advance(1)
  await answered.reaches(2)
  await clock.advance(MINUTE_MS)
  await settled()
  expect([kicks.length, ran.length]).toEqual([2, 7])
})

test('jobs that are due later kick nobody', async () => {
  const { producer, kicks, clock } = setUp()
  await producer.enqueue('note', 'later', { delayMs: 1_000 })
  await producer.enqueue('note', 'later', { dueAtMs: clock.now() + 1_000 })
  await clock.advance(MINUTE_MS)
  expect(kicks).toEqual([])
})

test.each([
  ['refused', async () => new Response('', { status: 404 }), 'expected status 202, got 404'],
  ['lost', () => Promise.reject(new Error('no way there')), 'no way there'],
])('a kick that is %s fails no enqueue, and is told', async (_, answers, reason) => {
  const { producer, events, told, kicks } = setUp({ answers })
  expect((await producer.enqueue('note', 'hello')).created).toBe(true)
  await told.reaches(1)
  expect([events, kicks.length]).toEqual([[{ kind: 'kick.failed', reason }], 1])
})

test.each([
  ['kick', (bench: Chain) => bench.kick()],
  ['cron trigger', ({ edge }: Chain) => edge.cron(VARIABLES)],
])('after a %s, drains that leave work kick on until nothing is left', async (_, begin) => {
  const bench = createChain({ jobs: 4, max: 10 })
  await begin(bench)
  await bench.settled()
  // A claim that came back full says that there may be more: the last one finds nothing.
  expect([bench.ran.length, bench.inARow()]).toEqual([4, [1, 2, 3, 4]])
})

test('drains kick on so many times in a row and no more', async () => {
  const bench = createChain({ jobs: 9, max: 2 })
  await bench.kick()
  await bench.settled()
  expect([bench.ran.length, bench.inARow()]).toEqual([3, [1, 2]])
})

test('a kick to the instance that sends it is a drain of its own, in an invocation of its own', async () => {
  const bench = createChain({ jobs: 4, max: 10 })
  await bench.kick()
  await bench.background[0]
  expect([bench.ran.length, bench.background.length]).toEqual([1, 2])
})

test('a drain that could run nothing kicks nobody', async () => {
  const bench = createChain({ jobs: 0, max: 10 })
  await bench.client.enqueueMany(Array.from({ length: 3 }, () => ({ task: 'unknown' })) as never)
  await bench.kick()
  await bench.settled()
  expect(bench.inARow()).toEqual([])
})

test('without the secret to sign it with, an app that is to kick itself says so', async () => {
  const { edge, kick } = createChain({ jobs: 0, max: 10 })
  const variables = { TQ_TOKENS: VARIABLES.TQ_TOKENS }
  expect(await statusOf(kick({ variables }))).toBe(500)
  await expect(edge.cron(variables)).rejects.toMatchObject({ name: 'InvalidOption', option: 'TQ_KICK_SECRET' })
})

type Chain = ReturnType<typeof createChain>

/** Drains of one job each, that kick on. */
function createChain({ jobs, max }: { jobs: number; max: number }) {
  const again: Request[] = []
  let answer = (_request: Request): Promise<Response> => Promise.reject(new Error('nobody is there yet'))
  const limits = { maxJobs: 1, stay: false }
  const send = (request: Request) => {
    again.push(request)
    return answer(request)
  }
  const bench = setUp({ drain: limits, kick: limits, kickAgain: { url: URL_OF_DRAIN, max, fetch: send } })
  answer = bench.fetch
  const enqueued = Promise.all(Array.from({ length: jobs }, (_, at) => bench.client.enqueue('note', `job ${at}`)))
  const after =
    <A extends unknown[], R>(run: (...args: A) => Promise<R>) =>
    async (...args: A) =>
      enqueued.then(() => run(...args))
  const inARow = () => again.map(({ headers }) => Number(headers.get(KICK_HEADER)?.split('.')[1]))
  return { ...bench, kick: after(bench.kick), edge: { ...bench.edge, cron: after(bench.edge.cron) }, inARow }
}
