import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Broker, JobFilter } from '../../src/broker.ts'
import { aJob, failed, settle, setUp } from './support.ts'

const json = (response: Response) => response.json() as Promise<Record<string, unknown>>

const CHANGES = ['cancel', 'retry', 'promote', 'remove'] as const

async function statesOf(broker: Broker, filter: JobFilter = {}): Promise<Record<string, string>> {
  return Object.fromEntries((await broker.list(filter)).jobs.map(({ id, state }) => [id, state]))
}

/** A job in each place where one can stand by itself. */
async function aJobOfEach(broker: Broker): Promise<void> {
  await broker.enqueue([aJob('failed')])
  await settle(broker, failed('failed', 'no route'))
  await broker.enqueue([aJob('cancelled'), aJob('later', { delayMs: 60_000 }), aJob('queued', { queue: 'mail' })])
  await broker.cancel(['cancelled'])
}

test.each([
  ['cancel', { later: 'cancelled', queued: 'cancelled' }],
  ['retry', { failed: 'queued' }],
  ['promote', { later: 'queued' }],
  ['remove', { failed: 'removed', cancelled: 'removed' }],
])('a filter without states is, to %s, of those that it is usually done to', async (call, outcomes) => {
  const { broker, post } = setUp()
  await aJobOfEach(broker)
  const before = await statesOf(broker)
  const outcomeOf = async (body: object) => {
    const { jobs, ...rest } = await json(await post(`/v1/jobs/${call}`, body))
    return [Object.fromEntries((jobs as { id: string; outcome: string }[]).map((job) => [job.id, job.outcome])), rest]
  }
  expect(await outcomeOf({ filter: {}, dryRun: true })).toEqual([outcomes, { dryRun: true, cursor: null }])
  expect(await statesOf(broker)).toEqual(before)
  expect(await outcomeOf({ filter: {} })).toEqual([outcomes, { dryRun: false, cursor: null }])
  expect(await statesOf(broker)).not.toEqual(before)
})

test.each(CHANGES)('to %s jobs by id foresees what it then does, also of those it can do nothing to', async (call) => {
  const { broker, post } = setUp()
  await aJobOfEach(broker)
  const ids = ['queued', 'nobody', 'failed', 'later', 'cancelled', 'queued']
  const foreseen = await json(await post(`/v1/jobs/${call}`, { ids, dryRun: true }))
  const done = await json(await post(`/v1/jobs/${call}`, { ids }))
  expect(done).toEqual({ ...foreseen, dryRun: false })
  expect((done.jobs as { id: string }[]).map(({ id }) => id)).toEqual(ids.slice(0, 5))
  expect(done.jobs).toContainEqual({ id: 'nobody', outcome: 'unknown' })
})

test('jobs whose ids a broker has made of longer ones are changed by them', async () => {
  const { broker, post } = setUp()
  const id = 'x'.repeat(200)
  await broker.enqueue([aJob(id, { onFailure: 'https://hooks.example/' })])
  await settle(broker, failed(id, 'no route'))
  const callback = `${id}:onFailure:1`
  expect(await json(await post('/v1/jobs/cancel', { ids: [callback] }))).toMatchObject({
    jobs: [{ id: callback, outcome: 'cancelled' }],
  })
})

test('a filter narrows a change, and a cursor goes on with what is left', async () => {
  const { broker, post } = setUp()
  await broker.enqueue(['a', 'b', 'c', 'd', 'e'].map((id) => aJob(id, { queue: 'mail', task: 't', tags: ['eu'] })))
  await broker.enqueue([aJob('other', { task: 't', tags: ['eu'] }), aJob('untagged', { queue: 'mail', task: 't' })])
  const filter = { queue: 'mail', task: 't', tag: 'eu', states: ['queued'] }
  const cancelled: string[] = []
  for (let cursor: unknown; cursor !== null; ) {
    const page = await json(await post('/v1/jobs/cancel', { filter, limit: 2, ...(cursor ? { cursor } : {}) }))
    cancelled.push(...(page.jobs as { id: string }[]).map(({ id }) => id))
    cursor = page.cursor
  }
  expect(cancelled.sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(await statesOf(broker, { states: ['queued'] })).toEqual({ other: 'queued', untagged: 'queued' })
})

test('to change many is one call of the broker where nothing has to be read first, else two', async () => {
  const calls: string[] = []
  const names = ['get', 'list', 'cancel', 'retry', 'promote', 'remove'] as const
  const { broker, post } = setUp({
    wrap: (inner) =>
      Object.fromEntries(
        names.map((name) => [
          name,
          (...args: unknown[]) => {
            calls.push(name)
            return (inner[name] as (...args: unknown[]) => unknown)(...args)
          },
        ]),
      ),
  })
  await aJobOfEach(broker)
  calls.length = 0
  for (const call of CHANGES) await post(`/v1/jobs/${call}`, { ids: ['queued', 'later'] })
  expect(calls.splice(0)).toEqual(['cancel', 'get', 'retry', 'get', 'promote', 'remove'])
  for (const call of CHANGES) await post(`/v1/jobs/${call}`, { filter: {}, dryRun: true })
  expect(calls.splice(0)).toEqual(Array(4).fill('list'))
})

const BAD: [what: string, body: unknown, path: string][] = [
  ['nothing', undefined, ''],
  ['neither ids nor a filter', {}, ''],
  ['ids and a filter', { ids: ['queued'], filter: {} }, ''],
  ['ids and a cursor', { ids: ['queued'], cursor: '1' }, ''],
  ['ids and a limit', { ids: ['queued'], limit: 1 }, ''],
  ['no ids', { ids: [] }, 'ids'],
  ['ids that are one', { ids: 'queued' }, 'ids'],
  ['more than 1,000 ids', { ids: Array(1_001).fill('queued') }, 'ids'],
  ['a number among the ids', { ids: ['queued', 5] }, 'ids.1'],
  ['an id that no job can have', { ids: ['queued', 'a\u0000b'] }, 'ids.1'],
  ['a filter that is none', { filter: 'all' }, 'filter'],
  ['an unknown state', { filter: { states: ['queued', 'gone'] } }, 'filter.states.1'],
  ['no states', { filter: { states: [] } }, 'filter.states'],
  ['a misspelt filter', { filter: { state: ['queued'] } }, 'filter.state'],
  ['a queue that is none', { filter: { queue: '' } }, 'filter.queue'],
  ['tags in place of one', { filter: { tag: ['eu'] } }, 'filter.tag'],
  ['a time in words', { filter: { createdToMs: 'now' } }, 'filter.createdToMs'],
  ['a limit too high', { filter: {}, limit: 1_001 }, 'limit'],
  ['no limit at all', { filter: {}, limit: 0 }, 'limit'],
  ['a dry run that is neither', { filter: {}, dryRun: 'yes' }, 'dryRun'],
  ['a misspelt dry run', { filter: {}, dryrun: true }, 'dryrun'],
  ['a cursor of somebody else', { filter: {}, cursor: "'; drop" }, ''],
  ['a list', [{ ids: ['queued'] }], ''],
  ['null', 'null', ''],
]

test.each(BAD)('a change of many with %s is refused, and nothing is changed', async (_, body, path) => {
  const { broker, post } = setUp()
  await aJobOfEach(broker)
  const before = await statesOf(broker)
  for (const call of CHANGES) {
    const response = await post(`/v1/jobs/${call}`, body)
    const problem = await json(response)
    expect([response.status, problem.type]).toEqual([400, 'urn:tq:problem:invalid-request'])
    if (path) expect((problem.errors as { path: string }[])[0]?.path).toBe(path)
  }
  expect(await statesOf(broker)).toEqual(before)
})

test('no body of a change does worse than to be refused', async () => {
  const { post } = setUp()
  const value = fc.jsonValue()
  const bodies = fc.oneof(
    value,
    fc.record({ ids: value, dryRun: value }, { requiredKeys: [] }),
    fc.record({
      filter: fc.record({ states: value, queue: value, tag: value, createdToMs: value }, { requiredKeys: [] }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...CHANGES), bodies, async (call, body) => {
      expect([200, 400]).toContain((await post(`/v1/jobs/${call}`, JSON.stringify(body))).status)
    }),
  )
})
