import { afterAll, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { sqliteBroker } from '../../adapters/brokers/sqlite/index.ts'
import { httpSource } from '../../examples/push-digest/digest.ts'
import app, { example, exampleFile } from '../../examples/push-digest/tq.config.ts'
import { createClient, createWorker, type JobRecord, type TqEvent } from '../../src/index.ts'
import { createVirtualClock } from '../support/clock.ts'

const EXAMPLE = new URL('../../examples/push-digest/', import.meta.url)
const push = JSON.parse(readFileSync(new URL(exampleFile, EXAMPLE), 'utf8'))
/** What the three commits leave: `docs/draft.md` is added and removed again. */
const FILES = ['README.md', 'data/oslo.csv', 'data/tromsø.csv', 'docs/accuracy.txt']

/** Enqueues one job and works, moving the clock past each retry, until it has finished. */
async function work(task: 'push.received' | 'url.check', input: never): Promise<{ job: JobRecord; events: TqEvent[] }> {
  const clock = createVirtualClock()
  const broker = sqliteBroker({ path: ':memory:', clock })
  const events: TqEvent[] = []
  const handle = await createClient<typeof app>({ broker, clock, tasks: app.tasks }).enqueue(task, input)
  for (;;) {
    await createWorker({ app, broker, clock, burst: true, onEvent: (event) => events.push(event) }).run()
    const job = (await handle.get()) as JobRecord
    if (job.finishedAtMs !== null) return { job, events }
    await clock.advance(60_000)
  }
}

const kinds = (events: readonly TqEvent[]) => events.map(({ kind }) => kind).filter((kind) => kind.startsWith('job.'))

/** A copy of the event whose last commit also adds `path`. */
function pushThatAdds(path: string) {
  const [last, ...earlier] = push.commits.toReversed()
  return { ...push, commits: [...earlier.toReversed(), { ...last, added: [...last.added, path] }] } as never
}

test('the push is digested: the SHA-256, size and lines of every file that its commits leave', async () => {
  const { job } = await work(example.task as 'push.received', push as never)
  expect(job.state).toBe('succeeded')
  expect(JSON.parse(job.result ?? '')).toEqual({
    repository: 'northern-almanac/almanac',
    ref: 'refs/heads/main',
    commit: push.after,
    files: FILES.map((path) => {
      const content = readFileSync(new URL(`checkout/${path}`, EXAMPLE))
      const lines = content.toString().replace(/\n$/, '').split('\n').length
      return { path, sha256: createHash('sha256').update(content).digest('hex'), bytes: content.length, lines }
    }),
  })
})

test('the first two attempts are retried, and progress is told file by file', async () => {
  const { job, events } = await work('push.received', push as never)
  const attempts = [
    ...['job.started', 'job.retrying', 'job.started', 'job.retrying', 'job.started'],
    ...FILES.map(() => 'job.progress'),
    'job.succeeded',
  ]
  expect(kinds(events)).toEqual(attempts as TqEvent['kind'][])
  expect(job.attempts).toBe(3)
  expect(events.filter(({ kind }) => kind === 'job.progress').at(-1)).toMatchObject({
    progress: JSON.stringify({ done: 4, of: 4, path: 'docs/accuracy.txt' }),
  })
})

test('a file that the push names but that does not exist fails the job for good, and says which', async () => {
  const { job, events } = await work('push.received', pushThatAdds('data/missing.csv'))
  expect(job.state).toBe('failed')
  expect(job.error?.name).toBe('NonRetryable')
  expect(job.error?.message).toBe('expected the file data/missing.csv in the checkout, got none')
  expect(events.find(({ kind }) => kind === 'job.failed')).toMatchObject({ attempt: 3, reason: 'not retryable' })
})

test('a path that leads out of the checkout is not read', async () => {
  const { job } = await work('push.received', pushThatAdds('../tasks.ts'))
  expect(job.state).toBe('failed')
  expect(job.error?.message).toBe('expected a path inside the checkout, got ../tasks.ts')
})

test('a push that deletes a branch has nothing to digest', async () => {
  const { job } = await work('push.received', { ...push, deleted: true, commits: [], head_commit: null } as never)
  expect(JSON.parse(job.result ?? '').files).toEqual([])
})

const answers: Record<string, Response> = {}
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: ({ url }) => answers[new URL(url).pathname]?.clone() ?? new Response('', { status: 404 }),
})
afterAll(() => server.stop(true))

test('over HTTP a file is read by repository, commit and escaped path', async () => {
  answers['/raw/northern-almanac/almanac/abc/data/troms%C3%B8%20%23.csv'] = new Response('snow\n')
  const read = httpSource(`${server.url}raw/`)
  const file = { repository: 'northern-almanac/almanac', commit: 'abc', path: 'data/tromsø #.csv' }
  expect(await read(file, AbortSignal.any([]))).toEqual(new TextEncoder().encode('snow\n'))
})

test('over HTTP a missing file fails for good, a busy server is asked again when it says, a broken one by the policy', async () => {
  answers['/a/b/c/busy'] = new Response('', { status: 429, headers: { 'retry-after': '7' } })
  answers['/a/b/c/broken'] = new Response('', { status: 503 })
  const read = (path: string) =>
    httpSource(server.url.href)({ repository: 'a/b', commit: 'c', path }, AbortSignal.any([]))
  const errorOf = (path: string) => read(path).catch((error) => error)
  expect(await errorOf('missing')).toMatchObject({ name: 'NonRetryable' })
  expect(await errorOf('busy')).toMatchObject({ name: 'RetryAfter', delayMs: 7_000 })
  expect(await errorOf('broken')).toMatchObject({ name: 'Error' })
})

test('a URL that answers is checked, one that is missing fails for good at once', async () => {
  answers['/healthz'] = new Response('{"ok":true}')
  const healthy = await work('url.check', { url: `${server.url}healthz` } as never)
  expect(JSON.parse(healthy.job.result ?? '')).toEqual({ url: `${server.url}healthz`, status: 200 })
  const missing = await work('url.check', { url: `${server.url}missing` } as never)
  expect(missing.job).toMatchObject({ state: 'failed', attempts: 1 })
})

test('the fixture has every field of a push event, and the schedules are those that the README tells of', () => {
  expect(Object.keys(push).sort()).toEqual(PUSH_FIELDS)
  for (const commit of [...push.commits, push.head_commit]) expect(Object.keys(commit).sort()).toEqual(COMMIT_FIELDS)
  expect(push.head_commit.id).toBe(push.after)
  expect(app.schedules.map(({ name, task, rule }) => ({ name, task, rule }))).toEqual([
    { name: 'check-health', task: 'url.check', rule: { kind: 'every', everyMs: 5_000 } },
    { name: 'check-missing', task: 'url.check', rule: { kind: 'every', everyMs: 30_000 } },
  ])
})

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#push, but for `enterprise`. */
const PUSH_FIELDS = [
  ...['after', 'base_ref', 'before', 'commits', 'compare', 'created', 'deleted', 'forced', 'head_commit'],
  ...['installation', 'organization', 'pusher', 'ref', 'repository', 'sender'],
]
const COMMIT_FIELDS = [
  ...[
    'added',
    'author',
    'committer',
    'distinct',
    'id',
    'message',
    'modified',
    'removed',
    'timestamp',
    'tree_id',
    'url',
  ],
]

test.each([
  ['a path', { path: '../../other/repository/secret.txt' }],
  ['a repository', { repository: '../..' }],
  ['a commit', { commit: '..' }],
])('over HTTP, %s that leads elsewhere fails for good, and nothing is asked for', async (_, given) => {
  const read = httpSource('http://127.0.0.1:1')
  const file = { repository: 'a/b', commit: 'c', path: 'd', ...given }
  await expect(read(file, AbortSignal.any([]))).rejects.toMatchObject({ name: 'NonRetryable' })
})
