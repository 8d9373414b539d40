/** What each operation of the REST API asks of the broker, and what that costs on Redis, counted by the server. */
import { afterAll, expect, test } from 'bun:test'
import { createSchedules } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { createApi } from '../../src/http/index.ts'
import { createLink } from '../../src/links.ts'
import { job, lane } from '../contract/verbs.ts'
import { type Meter, startMeter, whyNotCounted } from './meter.ts'

const meter: Meter | undefined = whyNotCounted ? undefined : await startMeter()
afterAll(() => meter?.close())

const SECRET = 'a-long-random-secret'
const LINK = await createLink(SECRET, { url: 'http://localhost', task: 'digest', expiresAtMs: Date.now() + 3_600_000 })
const ONE = { task: 'digest', input: 1 }
const MANY = Array.from({ length: 100 }, (_, input) => ({ ...ONE, input }))
const RULE = { task: 'digest', rule: { kind: 'cron', pattern: '0 7 * * *' } }
const IDS = { ids: ['waiting'] }
const KEY = { 'Idempotency-Key': 'a' }
/** Stands for the tag of the job. */
const seen = (id: string) => ({ 'If-Match': id })

type Operation = [
  operation: string,
  request: [method: string, path: string, body?: unknown, headers?: Record<string, string>],
  calls: readonly (keyof Broker)[],
  commands: number,
]

const OPERATIONS: readonly Operation[] = [
  ['enqueue a task', ['POST', '/v1/tasks/digest', 1], ['enqueue'], 3],
  ['enqueue a task under a key', ['POST', '/v1/tasks/digest', 1, KEY], ['enqueue'], 3],
  ['enqueue a job', ['POST', '/v1/jobs', ONE], ['enqueue'], 3],
  ['enqueue a hundred', ['POST', '/v1/jobs', MANY], ['enqueue'], 4],
  ['enqueue a hundred under a key', ['POST', '/v1/jobs', MANY, KEY], ['enqueue'], 4],
  ['enqueue by a link', ['POST', LINK.slice('http://localhost'.length), 1], ['enqueue'], 3],
  ['names of the tasks', ['GET', '/v1/tasks'], [], 0],
  ['a job', ['GET', '/v1/jobs/waiting'], ['get'], 2],
  ['a result', ['GET', '/v1/jobs/waiting/result'], ['get'], 2],
  ['jobs', ['GET', '/v1/jobs'], ['list'], 12],
  ['cancel', ['POST', '/v1/jobs/waiting/cancel'], ['cancel'], 7],
  ['retry', ['POST', '/v1/jobs/failed/retry'], ['get', 'retry'], 8],
  ['retry what was seen', ['POST', '/v1/jobs/failed/retry', undefined, seen('failed')], ['retry'], 7],
  ['promote', ['POST', '/v1/jobs/later/promote'], ['get', 'promote'], 10],
  ['promote what was seen', ['POST', '/v1/jobs/later/promote', undefined, seen('later')], ['promote'], 8],
  ['remove', ['DELETE', '/v1/jobs/waiting'], ['remove'], 7],
  ['cancel many', ['POST', '/v1/jobs/cancel', IDS], ['cancel'], 7],
  ['remove many', ['POST', '/v1/jobs/remove', IDS], ['remove'], 7],
  ['queues', ['GET', '/v1/queues'], ['stats'], 10],
  ['a queue', ['GET', '/v1/queues/default'], ['stats'], 8],
  ['pause a queue', ['POST', '/v1/queues/default/pause'], ['stats', 'setPaused'], 12],
  ['purge a queue', ['POST', '/v1/queues/default/purge'], ['stats', 'purge'], 26],
  ['workers', ['GET', '/v1/workers'], ['workers'], 1],
  ['schedules', ['GET', '/v1/schedules'], ['schedules'], 6],
  ['a schedule', ['GET', '/v1/schedules/report'], ['schedules'], 1],
  ['make a schedule', ['PUT', '/v1/schedules/new', RULE], ['schedules', 'schedules', 'setSchedules', 'schedules'], 10],
  ['pause a schedule', ['POST', '/v1/schedules/report/pause'], ['schedules', 'setSchedules', 'schedules'], 9],
  ['run a schedule', ['POST', '/v1/schedules/report/run'], ['schedules', 'fire'], 8],
  ['run a schedule under a key', ['POST', '/v1/schedules/report/run', 1, KEY], ['schedules', 'schedules', 'fire'], 9],
  ['its history', ['GET', '/v1/schedules/report/history'], ['schedules', 'runs', 'get'], 3],
  ['its next due times', ['GET', '/v1/schedules/report/next'], ['schedules'], 1],
  ['remove a schedule', ['DELETE', '/v1/schedules/report'], ['schedules', 'setSchedules'], 12],
]

/** A broker of a prefix of its own with a job in each state, and an API on it that tells of its calls. */
async function prepare(redis: Meter) {
  const { broker } = redis.open({ subscribe: false })
  const calls: (keyof Broker)[] = []
  const told = Object.fromEntries(
    Object.entries(broker).map(([name, part]) => {
      const call = (...args: unknown[]) => {
        calls.push(name as keyof Broker)
        return (part as (...args: unknown[]) => unknown)(...args)
      }
      return [name, typeof part === 'function' ? call : part]
    }),
  ) as unknown as Broker
  const api = createApi({
    broker: told,
    tokens: 'none',
    linkSecrets: [SECRET],
    schedules: createSchedules({ broker: told }),
  })
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    api.request(path, {
      method,
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  await send('PUT', '/v1/schedules/report', RULE)
  await broker.enqueue([job('failed')])
  const by = lane(broker)
  const claimed = await by.claimOne()
  await by.settle({ ...claimed, kind: 'failed', error: { name: 'Error', message: 'it broke' }, keepMs: 3_600_000 })
  await broker.enqueue([job('waiting'), job('beside')])
  await broker.enqueue([job('later', { delayMs: 3_600_000 })])
  const tags = new Map<string, string>()
  for (const id of ['failed', 'later']) tags.set(id, (await send('GET', `/v1/jobs/${id}`)).headers.get('ETag') ?? '')
  calls.length = 0

  async function make([method, path, body, headers = {}]: Operation[1]): Promise<number> {
    const { 'If-Match': of, ...others } = headers
    const tag = of === undefined ? {} : { 'If-Match': tags.get(of) ?? '' }
    return (await send(method, path, body, { ...others, ...tag })).status
  }
  return { make, calls }
}

for (const [operation, request, expected, commands] of OPERATIONS)
  test.skipIf(!meter)(
    `${operation}: ${expected.join(', ') || 'nothing'}, for at most ${commands} commands`,
    async () => {
      const redis = meter as Meter
      // A script's first use costs one command more.
      await (await prepare(redis)).make(request)
      const { make, calls } = await prepare(redis)
      let status = 0
      const { total, by } = await redis.count(async () => {
        status = await make(request)
      })
      expect([status < 300, calls]).toEqual([true, [...expected]])
      if (total > commands)
        throw new Error(`expected at most ${commands} commands, got ${total}: ${JSON.stringify(by)}`)
    },
  )
