/** A beat in a process of its own, and a change that another process makes. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { defineApp, defineTask } from 'tq-edge'
import { redisBroker } from 'tq-edge/brokers/redis'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { deploySchedules, every } from 'tq-edge/scheduler'
import type { Broker } from '../../src/broker.ts'
import { eventually, startStore, TOKEN, withRedis } from '../adapters/brokers/redis/support.ts'
import { createFolder, type Folder } from '../cli/support.ts'

const APP = `import { defineApp, defineTask } from 'tq-edge'
export default defineApp({ name: 'shop', tasks: [defineTask({ name: 'tidy', run: () => 'done' })] })
`

const tidy = defineTask({ name: 'tidy', run: () => 'done' })

/** Looks that nobody asks for are further apart than the time limit of the tests. */
async function expectHeard(folder: Folder, broker: Broker, env: Readonly<Record<string, string>>): Promise<void> {
  await folder.write('tq.config.ts', APP)
  const beats = ['beat', 'beat'].map((command) => folder.start([command, '--json'], { env }))
  await eventually(async () => (await broker.beats()).length === 2)
  const schedules = [every('often', '500ms', { task: tidy })]
  const app = defineApp({ name: 'shop', tasks: [tidy], schedules })
  await deploySchedules({ app, broker, stampMs: Date.now() + 60_000 })
  const fired = JSON.parse(await Promise.any(beats.map((beat) => beat.line('"beat.fired"'))))
  expect(fired).toMatchObject({ schedule: 'often' })
  for (const beat of beats) beat.signal('SIGTERM')
  for (const { exitCode, stderr } of await Promise.all(beats.map(({ exit }) => exit)))
    expect([exitCode, stderr]).toEqual([0, ''])
}

test('beats on one file learn of a change by another process without looking for it', async () => {
  await using folder = await createFolder()
  const broker = sqliteBroker({ path: join(folder.path, '.tq/tq.db') })
  await expectHeard(folder, broker, {})
  await broker.close()
}, 15_000)

withRedis(
  'beats on Redis learn of a change by another process without looking for it',
  async () => {
    await using folder = await createFolder()
    const { url } = await startStore()
    const broker = redisBroker({ url, token: TOKEN })
    await expectHeard(folder, broker, { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN })
    await broker.close()
  },
  15_000,
)
