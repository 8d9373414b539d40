/** Every route, with what nobody would send on purpose: it is refused or done, and never the server's fault. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createSchedules } from 'tq-edge/scheduler'
import { aJob, app, failed, settle, setUp } from './support.ts'

const ROUTES: readonly [method: string, path: string][] = [
  ['GET', '/healthz'],
  ['GET', '/readyz'],
  ['GET', '/v1/tasks'],
  ['GET', '/v1/tasks/{name}'],
  ['POST', '/v1/tasks/{name}'],
  ['GET', '/v1/jobs'],
  ['POST', '/v1/jobs'],
  ['POST', '/v1/jobs/cancel'],
  ['POST', '/v1/jobs/retry'],
  ['POST', '/v1/jobs/promote'],
  ['POST', '/v1/jobs/remove'],
  ['GET', '/v1/jobs/{name}'],
  ['DELETE', '/v1/jobs/{name}'],
  ['GET', '/v1/jobs/{name}/result'],
  ['GET', '/v1/jobs/{name}/events'],
  ['POST', '/v1/jobs/{name}/cancel'],
  ['POST', '/v1/jobs/{name}/retry'],
  ['POST', '/v1/jobs/{name}/promote'],
  ['GET', '/v1/queues'],
  ['GET', '/v1/queues/{name}'],
  ['POST', '/v1/queues/{name}/pause'],
  ['POST', '/v1/queues/{name}/resume'],
  ['POST', '/v1/queues/{name}/purge'],
  ['GET', '/v1/workers'],
  ['POST', '/v1/exchange'],
  ['GET', '/v1/schedules'],
  ['GET', '/v1/schedules/{name}'],
  ['PUT', '/v1/schedules/{name}'],
  ['DELETE', '/v1/schedules/{name}'],
  ['POST', '/v1/schedules/{name}/pause'],
  ['POST', '/v1/schedules/{name}/resume'],
  ['POST', '/v1/schedules/{name}/run'],
  ['GET', '/v1/schedules/{name}/history'],
  ['GET', '/v1/schedules/{name}/next'],
  ['GET', '/v1/links'],
  ['POST', '/v1/links'],
  ['GET', '/v1/links/result'],
]

const name = fc.oneof(fc.constantFrom('failed', 'later', 'default', 'anything', '%E0%A4%A', '..', '%00'), fc.string())
const field = fc.constantFrom(
  ...[
    'id',
    'ids',
    'filter',
    'states',
    'state',
    'queue',
    'task',
    'input',
    'jobs',
    'limit',
    'cursor',
    'dryRun',
    'revision',
    'lane',
    'seq',
    'want',
    'settle',
    'extend',
    'texts',
    'link',
    'tag',
    'tags',
  ],
  ...['priority', 'delayMs', 'dueAtMs', 'createdToMs', 'finishedFromMs', '__proto__', 'constructor'],
)
const text = fc.oneof(fc.string(), fc.constantFrom('1', '-1', '1e999', 'failed', 'true', 'null', '{}', '[]'))
const value = fc.oneof(fc.jsonValue(), text, fc.dictionary(field, fc.jsonValue(), { maxKeys: 3 }))
const request = fc.record({
  route: fc.constantFrom(...ROUTES),
  name,
  query: fc.dictionary(field, text, { maxKeys: 2 }),
  body: fc.oneof(
    fc.string(),
    fc.dictionary(field, value, { maxKeys: 4 }).map((body) => JSON.stringify(body)),
  ),
  tag: fc.option(fc.oneof(fc.constantFrom('"0"', '*', '"0.0000000000000000"', 'W/"1"'), fc.stringMatching(/^[!-~]*$/))),
})

test('no request to any route is the server’s fault, or waits for ever', async () => {
  const { api, broker, events } = setUp({
    app,
    linkSecrets: ['a-long-random-secret'],
    schedules: (given) => createSchedules({ ...given, appName: 'shop' }),
  })
  await broker.enqueue([aJob('failed')])
  await settle(broker, failed('failed', 'no route'))
  await broker.enqueue([aJob('later', { delayMs: 60_000 })])
  await fc.assert(
    fc.asyncProperty(request, async ({ route: [method, path], name: given, query, body, tag }) => {
      const hasBody = method === 'POST' || method === 'PUT'
      const safe = given.startsWith('%') ? given : encodeURIComponent(given)
      const response = await api.request(`${path.replace('{name}', safe)}?${new URLSearchParams(query)}`, {
        method,
        headers: { 'Content-Type': 'application/json', ...(tag ? { 'If-Match': tag, 'If-None-Match': tag } : {}) },
        ...(hasBody ? { body } : {}),
      })
      await response.body?.cancel()
      expect([method, path, response.status < 500]).toEqual([method, path, true])
    }),
    { numRuns: 2_000, seed: 2026 },
  )
  expect(events.filter((event) => event.kind === 'http.request' && event.status >= 500)).toEqual([])
})
