import { expect, test } from 'bun:test'
import { createFolder, type Folder, GREETER, type Running } from './support.ts'

async function startLingering(folder: Folder, ...flags: string[]): Promise<Running> {
  await folder.write('tq.config.ts', GREETER)
  await folder.tq(['enqueue', 'linger', '--id', 'one'])
  const worker = folder.start(['work', ...flags])
  await worker.line(/started +linger/)
  return worker
}

test('SIGTERM drains: what does not finish within the grace goes back to its queue', async () => {
  await using folder = await createFolder()
  const worker = await startLingering(folder, '--grace-seconds', '0')
  worker.signal('SIGTERM')
  const { stdout, exitCode } = await worker.exit
  expect(stdout).toMatch(/released +linger +one +shutdown/)
  expect(exitCode).toBe(0)
  expect(JSON.parse((await folder.tq(['jobs', 'show', 'one', '--json'])).stdout)).toMatchObject({
    state: 'queued',
    attempts: 0,
  })
})

test('a second signal forces: everything goes back at once, and the exit code says so', async () => {
  await using folder = await createFolder()
  const worker = await startLingering(folder, '--grace-seconds', '3600')
  worker.signal('SIGINT')
  await worker.line(/stopping +1 running/)
  worker.signal('SIGINT')
  expect((await worker.exit).exitCode).toBe(130)
  expect(JSON.parse((await folder.tq(['jobs', 'show', 'one', '--json'])).stdout)).toMatchObject({
    state: 'queued',
    attempts: 0,
  })
})
