/** A page looks at so many jobs: SQLite answers synchronously, and nobody else has a turn meanwhile. */
import { expect, test } from 'bun:test'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { jobs } from '../../../contract/verbs.ts'

test('a filter that fits few of many jobs brings short pages, each with where to go on', async () => {
  const broker = sqliteBroker({ path: ':memory:' })
  await broker.enqueue(jobs(1, 'rare', { task: 'rare' }))
  for (let at = 0; at < 50; at++) await broker.enqueue(jobs(1_000, `usual-${at}`))
  const first = await broker.list({ task: 'rare' })
  expect(first.jobs).toEqual([])
  const rest = await broker.list({ task: 'rare', cursor: first.cursor ?? '' })
  expect([rest.jobs.map(({ id }) => id), rest.cursor]).toEqual([['rare-0000'], null])
  await broker.close()
})
