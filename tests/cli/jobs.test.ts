import { expect, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { createFolder, GREETER, SOURCES } from './support.ts'

test('a job goes from enqueue to a burst of work to its result', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const enqueued = await folder.tq(['enqueue', 'greet', '{"name":"Ada"}'])
  expect(enqueued.exitCode).toBe(0)
  const id = enqueued.stdout.trim()
  expect((await folder.tq(['result', id])).exitCode).toBe(1)

  const worked = await folder.tq(['work', '--burst'])
  expect(worked.stdout).toMatch(/succeeded +greet +\S+ +in .*"Hello, Ada"/)
  expect(worked.stdout).toContain('1 succeeded in')
  expect(worked.exitCode).toBe(0)

  expect(await folder.tq(['result', id])).toEqual({ stdout: '"Hello, Ada"\n', stderr: '', exitCode: 0 })
  expect(JSON.parse((await folder.tq(['result', id, '--json'])).stdout)).toMatchObject({ id, state: 'succeeded' })
})

test('enqueue --wait prints the result that a worker elsewhere brings, and stops it after --max-jobs', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const worker = folder.start(['work', '--max-jobs', '1', '--json'])
  await worker.line('worker.started')
  const { stdout } = await folder.tq(['enqueue', 'greet', '-', '--wait', '30', '--id', 'one'], {
    stdin: '{"name":"Bo"}',
  })
  expect(stdout).toBe('"Hello, Bo"\n')

  const { stdout: events, exitCode } = await worker.exit
  const kinds = events
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).kind)
  expect(kinds).toEqual(['worker.started', 'job.started', 'job.succeeded', 'worker.stopped'])
  expect(exitCode).toBe(0)
})

test('a job that fails is exit code 1, a line with the reason, and the whole job as JSON', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  const worker = folder.start(['work', '--max-jobs', '1'])
  await worker.line('serves default')
  const { stdout, stderr, exitCode } = await folder.tq(['enqueue', 'fail', '--wait', '30', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ task: 'fail', state: 'failed', error: { message: 'as told' } })
  expect(stderr).toContain('Error: as told')
  expect(exitCode).toBe(1)
  await worker.exit
})

test('without an app anything may be enqueued, and jobs are listed, shown, cancelled, replayed, promoted and removed', async () => {
  await using folder = await createFolder(SOURCES, tmpdir())
  const options = ['--queue', 'mail', '--priority=-3', '--delay-ms', '60000', '--id', 'a', '--tag', 'eu,us']
  expect((await folder.tq(['enqueue', 'anything', '[1]', ...options])).stdout).toBe('a\n')
  expect(JSON.parse((await folder.tq(['enqueue', 'anything', '[1]', ...options, '--json'])).stdout)).toEqual({
    id: 'a',
    created: false,
    state: 'scheduled',
  })
  await folder.tq(['enqueue', 'other', '--id', 'b'])

  const { jobs } = JSON.parse((await folder.tq(['jobs', '--state', 'scheduled,failed', '--json'])).stdout)
  expect(jobs).toMatchObject([
    { id: 'a', task: 'anything', queue: 'mail', input: [1], priority: -3, tags: ['eu', 'us'] },
  ])
  expect(JSON.parse((await folder.tq(['jobs', '--tag', 'us', '--json'])).stdout).jobs).toMatchObject([{ id: 'a' }])
  expect(JSON.parse((await folder.tq(['jobs', '--older-than', '1h', '--json'])).stdout).jobs).toEqual([])
  expect(JSON.parse((await folder.tq(['jobs', '--older-than', '0s', '--json'])).stdout).jobs).toHaveLength(2)
  expect((await folder.tq(['jobs', '--older-than', 'long'])).stderr).toContain('--older-than to be a duration')
  const page = JSON.parse((await folder.tq(['jobs', '--limit', '1', '--json'])).stdout)
  expect(page.jobs).toHaveLength(1)
  const rest = await folder.tq(['jobs', '--cursor', page.cursor])
  expect(rest.stdout).toMatch(/^ID +TASK +QUEUE .*\na +anything +mail +scheduled/)

  expect((await folder.tq(['jobs', 'show', 'a'])).stdout).toMatch(/^state +scheduled$[\s\S]*^tags +\["eu","us"\]$/m)
  expect(await folder.tq(['jobs', 'cancel', 'a', 'b'])).toMatchObject({
    stdout: 'a  cancelled\nb  cancelled\n',
    exitCode: 0,
  })
  expect((await folder.tq(['jobs', 'retry', 'a'])).stdout).toBe('a  queued\n')
  expect(await folder.tq(['jobs', 'retry', 'a', 'c'])).toMatchObject({
    stdout: `a  not retried: it has neither failed nor been cancelled
c  unknown: it was never enqueued, or its record has expired\n`,
    exitCode: 1,
  })
  await folder.tq(['enqueue', 'later', '--id', 'd', '--delay-ms', '60000'])
  expect(await folder.tq(['jobs', 'promote', 'd', 'a'])).toMatchObject({
    stdout: 'd  queued\na  not promoted: it is neither scheduled nor retrying\n',
    exitCode: 1,
  })
  expect((await folder.tq(['jobs', 'remove', 'a'])).stdout).toBe('a  removed\n')
  const gone = await folder.tq(['jobs', 'show', 'a'])
  expect(gone.exitCode).toBe(1)
  expect(gone.stderr).toContain('expected a job with the id "a"')
})

test('a queue is purged of what waits', async () => {
  await using folder = await createFolder(SOURCES, tmpdir())
  for (const id of ['a', 'b']) await folder.tq(['enqueue', 'anything', '--queue', 'mail', '--id', id])
  expect((await folder.tq(['queues', 'purge', 'mail'])).stdout).toBe('mail  2 removed\n')
  expect(JSON.parse((await folder.tq(['queues', 'purge', 'mail', '--json'])).stdout)).toEqual({
    queue: 'mail',
    outcome: 'purged',
    removed: 0,
  })
})

test('a paused queue is not worked; resumed, it is', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  await folder.tq(['enqueue', 'greet', '{"name":"Cy"}'])
  expect((await folder.tq(['queues', 'pause', 'default'])).stdout).toBe('default  paused\n')
  expect((await folder.tq(['work', '--burst'])).stdout).toContain('0 succeeded')
  expect((await folder.tq(['queues'])).stdout).toMatch(/default +0 +1 +0 +0 +paused/)
  await folder.tq(['queues', 'resume', 'default'])
  expect((await folder.tq(['work', '--burst'])).stdout).toContain('1 succeeded')
  const stats = JSON.parse((await folder.tq(['queues', '--json'])).stdout)
  expect(stats.queues).toMatchObject([{ queue: 'default', paused: false, counts: { succeeded: 1 } }])
  // A file bills nothing.
  expect(Object.keys(stats)).toEqual(['nowMs', 'queues', 'workers'])
  expect(stats.workers[0].runtime).toMatch(/^bun /)
})

test('a worker with --max-seconds ends by itself, and puts back what does not finish', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', GREETER)
  await folder.tq(['enqueue', 'linger', '--id', 'one'])
  const { stdout, exitCode } = await folder.tq(['work', '--max-seconds', '1', '--grace-seconds', '0'])
  expect(stdout).toMatch(/released +linger +one +shutdown/)
  expect(exitCode).toBe(0)
})

test('the environment bounds a queue, and says whether the oldest job gives way', async () => {
  await using folder = await createFolder(SOURCES, tmpdir())
  const enqueue = (id: string, env: Record<string, string>) =>
    folder.tq(['enqueue', 'anything', '--id', id], { env: { TQ_MAX_READY: '1', ...env } })
  expect((await enqueue('a', {})).exitCode).toBe(0)
  const full = await enqueue('b', {})
  expect([full.exitCode, full.stderr]).toEqual([1, expect.stringContaining('expected room in queue "default"')])
  expect((await enqueue('b', { TQ_WHEN_FULL: 'drop-oldest' })).exitCode).toBe(0)
  const dropped = await folder.tq(['result', 'a'])
  expect([dropped.exitCode, dropped.stderr]).toEqual([1, expect.stringContaining('the oldest was dropped')])
  for (const env of [{ TQ_WHEN_FULL: 'drop' }, { TQ_MAX_READY: 'many' }]) {
    const misuse = await enqueue('c', env)
    expect([misuse.exitCode, misuse.stderr]).toEqual([2, expect.stringMatching(/expected (whenFull|maxReady) to be/)])
  }
})
