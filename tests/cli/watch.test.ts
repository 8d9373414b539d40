import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { watchSources } from '../../cli/dev/watch.ts'
import { createVirtualClock } from '../support/clock.ts'
import { createFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'

test('a folder that goes while it is watched is a change like any other', async () => {
  const folder = createFolder()
  const clock = createVirtualClock()
  mkdirSync(folder.file('jobs'))
  writeFileSync(folder.file('jobs', 'tasks.ts'), '')
  let changes = 0
  const watcher = watchSources(folder.file('jobs'), () => changes++, clock)
  folder.remove()
  await until('the change to be told', async () => {
    await clock.advance(1_000)
    return changes > 0
  })
  watcher.close()
  expect(changes).toBe(1)
})
