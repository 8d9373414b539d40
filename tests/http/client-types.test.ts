import { expect, expectTypeOf, test } from 'bun:test'
import { hc } from 'hono/client'
import type { JobState } from 'tq-edge'
import type { createApi } from 'tq-edge/http'
import { setUp } from './support.ts'

function connect() {
  const { api } = setUp()
  return hc<ReturnType<typeof createApi>>('http://localhost', { fetch: api.request })
}

test('a typed client enqueues a job and reads it back', async () => {
  const client = connect()
  const posted = await client.v1.tasks[':task'].$post({
    param: { task: 'greet' },
    query: { id: 'a' },
    json: { name: 'Ada' },
  })
  const enqueued = await posted.json()
  expectTypeOf(enqueued.id).toEqualTypeOf<string>()
  expectTypeOf(enqueued.state).toEqualTypeOf<JobState | null>()
  expect(enqueued).toEqual({ id: 'a', state: 'queued' })

  const job = await (await client.v1.jobs[':id'].$get({ param: { id: 'a' } })).json()
  expectTypeOf(job.dueAtMs).toEqualTypeOf<number | null>()
  expect(job).toMatchObject({ task: 'greet', input: { name: 'Ada' } })

  const outcome = await (await client.v1.jobs[':id'].result.$get({ param: { id: 'a' }, query: { wait: '0' } })).json()
  expectTypeOf(outcome.state).toEqualTypeOf<JobState>()
  expect(outcome).toEqual({ id: 'a', state: 'queued' })
  const health = await (await client.healthz.$get()).json()
  expectTypeOf(health.beat?.agoMs).toEqualTypeOf<number | undefined>()
  expect(health).toEqual({ status: 'ok' })
  expect((await client.healthz.$get({ query: { beat: '300' } })).status as number).toBe(503)
})

test('a typed client enqueues one or many', async () => {
  const client = connect()
  for (const json of [{ task: 't' }, [{ task: 't', dueAtMs: 5 }], { jobs: [{ task: 't', input: 1 }] }])
    expect((await client.v1.jobs.$post({ json })).status).toBe(202)
})

test('a typed client lists jobs, changes them, and reads queues, tasks and workers', async () => {
  const client = connect()
  await client.v1.jobs.$post({ json: { task: 't', id: 'a', delayMs: 60_000 } })
  const page = await (await client.v1.jobs.$get({ query: { state: 'scheduled', limit: '5' } })).json()
  expectTypeOf(page.cursor).toEqualTypeOf<string | null>()
  expectTypeOf(page.jobs[0]?.state).toEqualTypeOf<JobState | undefined>()
  expect(page.jobs.map(({ id }) => id)).toEqual(['a'])

  const promoted = await (await client.v1.jobs[':id'].promote.$post({ param: { id: 'a' } })).json()
  expectTypeOf(promoted.outcome).toEqualTypeOf<'queued'>()
  expect(promoted.outcome).toBe('queued')
  const json = { filter: { states: ['queued'] }, dryRun: true } as const
  const foreseen = await (await client.v1.jobs.cancel.$post({ json })).json()
  expect(foreseen).toEqual({ dryRun: true, jobs: [{ id: 'a', outcome: 'cancelled' }], cursor: null })
  expect((await client.v1.jobs[':id'].$delete({ param: { id: 'a' } })).status).toBe(200)

  const paused = await (
    await client.v1.queues[':queue'].pause.$post({ param: { queue: 'q' }, json: { revision: 0 } })
  ).json()
  expectTypeOf(paused.revision).toEqualTypeOf<number>()
  const { queues } = await (await client.v1.queues.$get()).json()
  expect(queues).toEqual([{ queue: 'q', paused: true, revision: 1, counts: {} }])
  expect(await (await client.v1.tasks.$get()).json()).toEqual({ tasks: null })
  expect(await (await client.v1.workers.$get()).json()).toEqual({ workers: [] })
  const settle = [{ kind: 'released', id: 'a', epoch: 1 }] as const
  const exchanged = await (await client.v1.exchange.$post({ json: { lane: 'l', seq: 1, settle } })).json()
  expectTypeOf(exchanged.nextAtMs).toEqualTypeOf<number | null>()
  expect(exchanged).toMatchObject({ jobs: [] })
  expect((await client.v1.links.$post({ query: { link: 'no.link' }, json: 1 })).status as number).toBe(404)
  expect(await (await client.readyz.$get()).json()).toEqual({ status: 'ready' })
})

test('a typed client does not compile where it is wrong', async () => {
  const client = connect()
  // @ts-expect-error a job names its task
  expect((await client.v1.jobs.$post({ json: { input: 1 } })).status).toBe(400)
  // @ts-expect-error there is no such option
  await client.v1.tasks[':task'].$post({ param: { task: 't' }, query: { delay: '5' } })
  // @ts-expect-error the path names the job
  await client.v1.jobs[':id'].$get({})
})
