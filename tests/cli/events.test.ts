import { expect, test } from 'bun:test'
import { createFolder } from './support.ts'

const ON = { env: { TQ_EVENTS: '1' } }

test('events of all processes on one file are followed, also of those that were not told to keep them', async () => {
  await using folder = await createFolder()
  await folder.tq(['enqueue', 'anything', '--id', 'before'])
  const off = await folder.tq(['events'])
  expect([off.exitCode, off.stderr]).toEqual([1, expect.stringContaining('TQ_EVENTS=1')])

  const all = folder.start(['events', '--json'], ON)
  const some = folder.start(['events', '--state', 'cancelled', '--queue', 'mail'], ON)
  for (const running of [all, some]) await running.line('following')
  await folder.tq(['enqueue', 'anything', '--id', 'a'])
  await folder.tq(['enqueue', 'anything', '--id', 'b', '--queue', 'mail'])
  await folder.tq(['jobs', 'cancel', 'a', 'b'])
  const line = await all.line(/"id":"a".*cancelled/)
  expect(JSON.parse(line)).toMatchObject({ task: 'anything', queue: 'default', state: 'cancelled', attempts: 0 })
  expect(await some.line('cancelled')).toMatch(/^\S+Z {2}cancelled {2}anything +b {2}on mail$/)

  const { cursor } = JSON.parse(line)
  await folder.tq(['jobs', 'retry', 'a'])
  const later = folder.start(['events', '--after', cursor, '--json'])
  expect(JSON.parse(await later.line('queued'))).toMatchObject({ id: 'a', state: 'queued' })
  for (const running of [all, some, later]) {
    running.signal('SIGTERM')
    expect((await running.exit).exitCode).toBe(0)
  }
  expect((await folder.tq(['events', '--after', 'now'])).stderr).toContain('the cursor of an earlier event')
  expect((await folder.tq(['events', '--state', 'canceled'])).stderr).toContain('did you mean cancelled?')
  expect((await folder.tq(['events'], { env: { TQ_EVENTS: 'many' } })).stderr).toContain('maxEvents')

  await folder.tq(['queues'], { env: { TQ_EVENTS: '0' } })
  expect((await folder.tq(['events'])).exitCode).toBe(1)
}, 30_000)
