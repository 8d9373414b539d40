import { expect, test } from 'bun:test'
import { readTexts } from '../../../../adapters/brokers/redis/read.ts'
import { MAX_BATCH_BYTES } from '../../../../src/broker.ts'
import { TooLarge } from '../../../../src/errors.ts'

const names = (count: number) => Array.from({ length: count }, (_, at) => `name-${at}`)

/** A server that holds a text of so many bytes under each name, and refuses replies over its limit. */
function serve(bytesOf: (name: string) => number, limit = Number.POSITIVE_INFINITY) {
  const asked: number[] = []
  const send = async (some: readonly string[]) => {
    asked.push(some.length)
    const bytes = some.reduce((sum, name) => sum + bytesOf(name), 0)
    if (bytes > limit) throw new TooLarge('a call to Redis', limit, bytes)
    return some.map((name) => name.padEnd(bytesOf(name), '.'))
  }
  return { asked, send }
}

test('a few are read in one call, and a thousand small ones in three', async () => {
  const { asked, send } = serve(() => 100)
  expect((await readTexts(names(8), send)).length).toBe(8)
  expect((await readTexts(names(1_000), send)).map((text) => text?.replaceAll('.', ''))).toEqual(names(1_000))
  expect(asked).toEqual([8, 8, 128, 864])
})

test('of large ones no more are read at once than a claim may bring', async () => {
  const { asked, send } = serve(() => MAX_BATCH_BYTES / 4)
  await readTexts(names(20), send)
  expect(asked).toEqual([8, 4, 4, 4])
})

test('what the server finds too large is asked for in halves; one that is too large by itself is said so', async () => {
  const { asked, send } = serve((name) => (name === 'name-9' ? 900 : 10), 1_000)
  expect((await readTexts(names(100), send)).length).toBe(100)
  expect(asked).toEqual([8, 92, 46, 23, 12, 6, 86])
  expect(readTexts(names(10), serve((name) => (name === 'name-9' ? 900 : 10), 800).send)).rejects.toMatchObject({
    name: 'TooLarge',
  })
})

test('reading ends once there is enough', async () => {
  const { asked, send } = serve(() => 1_000)
  expect((await readTexts(names(500), send, (bytes) => bytes > 5_000)).length).toBe(8)
  expect(asked).toEqual([8])
})
