/** What is told or sent once a schedule has been fired: pings, and that it was late. */
import { expect, test } from 'bun:test'
import { InvalidOption, type Schedule, type TqEvent } from 'tq-edge'
import { at, createBeat, deploySchedules, every, fromDefinition, tick, toDefinition } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { settled } from '../support/clock.ts'
import { appWith, createScene, type Scene, ticksOf, tidy } from './support.ts'

const SECRET_URL = 'https://hc.test/ping/5f1c-secret?token=hidden'

const pinged = (name: string, pingUrl = SECRET_URL) => every(name, '1m', { task: tidy, pingUrl })

/** Somebody who is pinged, and answers when and what the test says. */
function createMonitor(answer: (request: Request) => Promise<Response> = async () => new Response('ok')) {
  const requests: Request[] = []
  let atOnce = 0
  let mostAtOnce = 0
  return {
    requests,
    mostAtOnce: () => mostAtOnce,
    async fetch(request: Request) {
      requests.push(request)
      mostAtOnce = Math.max(mostAtOnce, ++atOnce)
      return answer(request).finally(() => atOnce--)
    },
  }
}

const neverAnswers = ({ signal }: Request) =>
  new Promise<Response>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

async function tickAfter(scene: Scene, ms: number, fetch: (request: Request) => Promise<Response>, ...all: Schedule[]) {
  const app = appWith(...all)
  await deploySchedules({ app, stampMs: 1, ...scene })
  await scene.clock.advance(ms)
  return tick({ app, fetch, ...scene })
}

const kinds = ({ events }: Scene, kind: TqEvent['kind']) => events.filter((event) => event.kind === kind)

test('a schedule that was fired is pinged once a pass, however many of its ticks were, and one without a URL never', async () => {
  const scene = createScene()
  const monitor = createMonitor()
  const many = every('many', '1s', { task: tidy, pingUrl: 'http://monitor.test/many', catchUp: 'all' })
  await tickAfter(scene, 60_000, monitor.fetch, many, pinged('one'), every('silent', '1m', { task: tidy }))
  expect((await ticksOf(scene.broker)).length).toBe(62)
  expect(monitor.requests.map(({ method, url }) => [method, url]).sort()).toEqual([
    ['GET', 'http://monitor.test/many'],
    ['GET', SECRET_URL],
  ])
})

test('a pass that fires nothing, or finds it fired by another, pings nobody', async () => {
  const scene = createScene()
  const monitor = createMonitor()
  await tickAfter(scene, 30_000, monitor.fetch, pinged('one'))
  expect(monitor.requests).toEqual([])
  await scene.clock.advance(30_000)
  const late: Broker = {
    ...scene.broker,
    async fire(ticks) {
      await scene.broker.fire(ticks)
      return ticks.map(() => 'existing')
    },
  }
  await tick({ app: appWith(pinged('one')), ...scene, broker: late, fetch: monitor.fetch })
  expect(await ticksOf(scene.broker)).toHaveLength(1)
  expect(monitor.requests).toEqual([])
})

for (const [what, answer, reason] of [
  ['a status', async () => new Response('', { status: 404 }), 'expected status 2xx, got 404'],
  ['a redirect', async () => Response.redirect('https://elsewhere.test/', 302), 'expected status 2xx, got 302'],
  ['an error', () => Promise.reject(new Error(`cannot reach ${SECRET_URL}`)), 'expected status 2xx, got no answer'],
] as const)
  test(`a ping that is answered by ${what} is an event that keeps the address's secrets`, async () => {
    const scene = createScene()
    const monitor = createMonitor(answer)
    const { fired } = await tickAfter(scene, 60_000, monitor.fetch, pinged('one'))
    expect(fired).toBe(1)
    expect(kinds(scene, 'ping.failed')).toEqual([
      { kind: 'ping.failed', schedule: 'one', to: 'https://hc.test', reason },
    ])
    expect(monitor.requests.map(({ redirect }) => redirect)).toEqual(['manual'])
  })

test('a pass waits for its pings, and no longer than ten seconds for however many', async () => {
  const scene = createScene()
  const monitor = createMonitor(neverAnswers)
  const schedules = Array.from({ length: 20 }, (_, at) => pinged(`one-${at}`))
  let ended = false
  const ticking = tickAfter(scene, 60_000, monitor.fetch, ...schedules).then(() => {
    ended = true
  })
  await scene.clock.advance(0)
  await scene.clock.advance(0)
  expect([monitor.requests.length, ended]).toEqual([6, false])
  await scene.clock.advance(10_000)
  await ticking
  expect(monitor.mostAtOnce()).toBe(6)
  expect(kinds(scene, 'ping.failed')).toHaveLength(20)
  expect(kinds(scene, 'ping.failed')).toContainEqual(
    expect.objectContaining({ reason: 'expected status 2xx, got no answer within 5000 ms' }),
  )
})

test('pings that hang delay no tick of a beat, and one stands for those that were asked for meanwhile', async () => {
  const scene = createScene()
  const monitor = createMonitor(neverAnswers)
  const schedules = Array.from({ length: 10 }, (_, at) =>
    every(`often-${at}`, '1s', { task: tidy, pingUrl: SECRET_URL }),
  )
  const beat = createBeat({ app: appWith(...schedules), fetch: monitor.fetch, ...scene })
  const running = beat.run()
  for (let second = 0; second < 4; second++) await scene.clock.advance(1_000)
  expect((await ticksOf(scene.broker)).filter(({ lateMs }) => lateMs > 0)).toEqual([])
  expect(await ticksOf(scene.broker)).toHaveLength(40)
  expect(monitor.requests).toHaveLength(6)
  beat.stop()
  await settled()
  await scene.clock.advance(5_000)
  await running
  // What has not been sent by then is not sent any more.
  expect(monitor.requests).toHaveLength(6)
})

test('the URL is stored with the schedule, and a schedule without one is stored as before', () => {
  const { definition, name } = { definition: toDefinition(pinged('one')), name: 'one' }
  expect(fromDefinition({ name, definition })?.pingUrl).toBe(SECRET_URL)
  expect(toDefinition(every('one', '1m', { task: tidy }))).not.toContain('pingUrl')
})

for (const [url, got] of [
  ['ftp://host/secret', 'one of ftp:'],
  ['file:///etc/secret', 'one of file:'],
  ['secret', 'something else'],
  ['https://user:secret@host/', 'one with them'],
  [`https://host/secret${'x'.repeat(2_000)}`, '2019 characters'],
] as const)
  test(`a pingUrl such as ${url.slice(0, 20)} is refused and not repeated`, () => {
    const declare = () => at('launch', '2027-01-09T09:00Z', { task: tidy, pingUrl: url })
    expect(declare).toThrow(InvalidOption)
    expect(declare).toThrow(`, got ${got}`)
    expect(declare).not.toThrow(/secret/)
  })

test('a schedule that is fired late is told once a pass, with the first of its due times', async () => {
  const scene = createScene()
  const many = every('many', '1s', { task: tidy, catchUp: 'all' })
  await tickAfter(scene, 180_000, fetch, many, every('rare', '2m', { task: tidy }))
  expect((await ticksOf(scene.broker)).length).toBe(181)
  expect(kinds(scene, 'beat.late')).toEqual([
    { kind: 'beat.late', schedule: 'many', dueAtMs: Date.parse('2026-01-05T12:00:01Z'), lateMs: 179_000 },
  ])
})

test('how late is late can be said', async () => {
  const scene = createScene()
  const app = appWith(every('often', '10s', { task: tidy }))
  await deploySchedules({ app, stampMs: 1, ...scene })
  for (const lateAfterMs of [9_999, 10_000]) {
    await scene.clock.advance(20_000)
    await tick({ app, lateAfterMs, ...scene })
  }
  expect(kinds(scene, 'beat.late')).toMatchObject([{ schedule: 'often', lateMs: 10_000 }])
})

test.each([
  'http://127.0.0.1/',
  'http://2130706433/',
  'https://[::ffff:10.0.0.1]/',
  'http://localhost:8080/',
  'http://169.254.169.254/',
])('nothing is sent to %s, which whoever makes schedules could name; a host that is allowed is pinged', async (url) => {
  const scene = createScene()
  const monitor = createMonitor()
  await tickAfter(scene, 60_000, monitor.fetch, pinged('one', url))
  expect(monitor.requests).toEqual([])
  const reason = 'expected status 2xx, got a private address, which allowHosts or TQ_ALLOW_HOSTS does not name'
  expect(kinds(scene, 'ping.failed')).toEqual([
    { kind: 'ping.failed', schedule: 'one', to: new URL(url).origin, reason },
  ])
  await scene.clock.advance(60_000)
  const app = appWith(pinged('one', url))
  await tick({ app, fetch: monitor.fetch, allowHosts: [new URL(url).host], ...scene })
  expect(monitor.requests.length).toBe(1)
})
