import { expect, test } from 'bun:test'
import { onSignals } from '../../cli/signals.ts'
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
  worker.signal('SIGTERM')
  expect((await worker.exit).exitCode).toBe(130)
  expect(JSON.parse((await folder.tq(['jobs', 'show', 'one', '--json'])).stdout)).toMatchObject({
    state: 'queued',
    attempts: 0,
  })
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s that comes twice at once, as from npm or timeout, is one', (signal) => {
  let nowMs = 1_000
  const asked: string[] = []
  const ignore = onSignals({ first: () => asked.push('first'), second: () => asked.push('second') }, () => nowMs)
  const at = (ms: number, name: NodeJS.Signals = signal) => {
    nowMs = ms
    process.emit(name, name)
  }
  at(1_000)
  at(1_000)
  at(1_199)
  expect(asked).toEqual(['first'])
  at(1_199, signal === 'SIGINT' ? 'SIGTERM' : 'SIGINT')
  expect(asked).toEqual(['first', 'second'])
  at(1_200)
  expect(asked).toEqual(['first', 'second', 'second'])
  ignore()
})
