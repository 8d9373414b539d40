import { afterEach, beforeEach, expect, test } from 'bun:test'
import { join } from 'node:path'
import { createClient } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createFolder, type TestFolder } from '../support/folder.ts'
import { startProcess, type TestProcess } from '../support/process.ts'

const TIMEOUT_MS = 30_000
const script = (name: string) => join(import.meta.dir, 'scripts', name)

let folder: TestFolder
let started: TestProcess[] = []
beforeEach(() => {
  folder = createFolder()
})
afterEach(async () => {
  for (const child of started) child.kill('SIGKILL')
  await Promise.all(started.map(({ exited }) => exited))
  started = []
  folder.remove()
})

function start(name: string, ...args: (string | number)[]): TestProcess {
  const child = startProcess(script(name), folder.file('tq.db'), ...args)
  started.push(child)
  return child
}

async function startWorker({ leaseMs = 30_000, concurrency = 10 } = {}): Promise<TestProcess> {
  const worker = start('worker.ts', leaseMs, concurrency)
  await worker.line('ready')
  return worker
}

function open() {
  const broker = sqliteBroker({ path: folder.file('tq.db') })
  return { broker, tq: createClient({ broker }) }
}

test(
  'a job whose worker is killed in the middle is finished by another one',
  async () => {
    const { broker, tq } = open()
    const doomed = await startWorker({ leaseMs: 1_000 })
    const jobs = await tq.enqueueMany(Array.from({ length: 3 }, () => ({ task: 'held' })) as never)
    for (const { id } of jobs) await doomed.line(`began ${id}`)
    doomed.kill('SIGKILL')
    await doomed.exited
    const heir = await startWorker({ leaseMs: 1_000 })
    heir.say('finish')
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual(jobs.map(() => `by ${heir.pid}`))
    const records = await broker.get(jobs.map(({ id }) => id))
    expect(records.map((record) => [record?.lost, record?.attempts])).toEqual(jobs.map(() => [1, 1]))
    await broker.close()
  },
  TIMEOUT_MS,
)

test(
  'a worker that is told to end gives its jobs back at once, uncounted',
  async () => {
    const { broker, tq } = open()
    const first = await startWorker()
    const job = await tq.enqueue('held' as never)
    await first.line(`began ${job.id}`)
    first.kill('SIGTERM')
    expect(await first.line('stopped')).toBe('stopped {"succeeded":0,"released":1}')
    expect(await job.get()).toMatchObject({ state: 'queued', attempts: 0, lost: 0 })
    expect(await first.exited).toBe(0)
    const second = await startWorker()
    await second.line(`began ${job.id}`)
    second.say('finish')
    expect(await job.result()).toBe(`by ${second.pid}` as never)
    await broker.close()
  },
  TIMEOUT_MS,
)

test(
  'an idle worker in another process is woken by an enqueue',
  async () => {
    const { broker, tq } = open()
    const worker = await startWorker()
    for (let round = 0; round < 20; round++) {
      const job = await tq.enqueue('quick' as never, round as never)
      expect(await job.result({ timeoutMs: 4_000 })).toBe(round as never)
    }
    worker.kill('SIGTERM')
    expect(await worker.line('stopped')).toContain('"succeeded":20')
    await broker.close()
  },
  TIMEOUT_MS,
)

test(
  'three workers and two producers in their own processes share one file: each job is done once',
  async () => {
    const workers = await Promise.all([1, 2, 3].map(() => startWorker({ concurrency: 20 })))
    const producers = ['a', 'b'].map((name) => start('open.ts', name, 500))
    for (const producer of producers) await producer.line('ready')
    for (const producer of producers) producer.say('go')
    for (const producer of producers) expect(await producer.line('done')).toBe('done')
    const { broker, tq } = open()
    const ids = ['a', 'b'].flatMap((name) => Array.from({ length: 500 }, (_, at) => `${name}-${at}`))
    await Promise.all(ids.map((id) => tq.job(id).result()))
    const records = await broker.get(ids)
    expect(new Set(records.map((record) => `${record?.state} ${record?.attempts} ${record?.lost}`))).toEqual(
      new Set(['succeeded 1 0']),
    )
    for (const worker of workers) worker.kill('SIGTERM')
    const totals = await Promise.all(workers.map((worker) => worker.line('stopped')))
    const done = totals.map((line) => Number(/"succeeded":(\d+)/.exec(line)?.[1]))
    expect(done.reduce((sum, count) => sum + count, 0)).toBe(1_000)
    await broker.close()
  },
  TIMEOUT_MS,
)

test(
  'eight processes open a fresh database at once',
  async () => {
    const children = Array.from({ length: 8 }, (_, at) => start('open.ts', `p${at}`, 5))
    for (const child of children) await child.line('ready')
    for (const child of children) child.say('go')
    expect(
      await Promise.all(children.map((child) => Promise.race([child.line('done'), child.line('failed')]))),
    ).toEqual(children.map(() => 'done'))
    const { broker } = open()
    expect((await broker.stats()).queues[0]?.counts).toEqual({ queued: 40 })
    await broker.close()
  },
  TIMEOUT_MS,
)
