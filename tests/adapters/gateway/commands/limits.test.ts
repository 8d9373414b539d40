import { expect, test } from 'bun:test'
import { withLimits } from '../../../../adapters/gateway/commands/limits.ts'
import { withWaits } from '../../../../adapters/gateway/commands/waits.ts'
import type { Command } from '../../../../adapters/gateway/protocol/command.ts'
import type { Reply } from '../../../../adapters/gateway/protocol/encoding.ts'
import { unavailable } from '../../../../adapters/gateway/protocol/refusal.ts'
import { openServer } from '../../../../adapters/gateway/redis/client.ts'
import type { Connection } from '../../../../adapters/gateway/redis/connection.ts'
import type { Link } from '../../../../adapters/gateway/redis/link.ts'
import { createVirtualClock } from '../../../support/clock.ts'
import { startSubject } from '../subject.ts'

const BEYOND = 'ERR max response size of a pipeline exceeded. Limit: 50000. The command has'
const { redis, post, send } = await startSubject({ maxReplyBytes: 2_000, maxResponseBytes: 50_000 })

const times = <T>(count: number, one: (at: number) => T) => Array.from({ length: count }, (_, at) => one(at))
const errorsOf = (replies: readonly { error?: string }[], text: string) =>
  replies.filter(({ error }) => error === `${BEYOND} ${text}`).length

test('a pipeline stops when its replies are too much together, and says of each command whether it has run', async () => {
  await send('RPUSH', 'parts', ...times(300, () => 'x'.repeat(1_000)))
  const [status, text] = await post('/pipeline', [...times(299, () => ['LPOP', 'parts']), ['SET', 'end', '1']])
  const replies = JSON.parse(text)
  expect([status, replies.length]).toEqual([200, 300])
  expect(replies.slice(0, 50)).toEqual(times(50, () => ({ result: 'x'.repeat(1_000) })))
  expect([errorsOf(replies.slice(50, 100), 'run'), errorsOf(replies.slice(100), 'not run')]).toEqual([50, 200])
  expect(
    await post('/pipeline', [
      ['LLEN', 'parts'],
      ['EXISTS', 'end'],
    ]),
  ).toEqual([200, '[{"result":200},{"result":0}]'])
})

test('a short pipeline is bounded as well, and keeps what is shorter than an error in its place', async () => {
  await send('SET', 'long', 'x'.repeat(2_000))
  const replies = JSON.parse((await post('/pipeline', [...times(60, () => ['GET', 'long']), ['INCR', 'counted']]))[1])
  expect(errorsOf(replies, 'run')).toBe(35)
  expect(replies.at(-1)).toEqual({ result: 1 })
})

test('commands and transactions are bounded one by one', async () => {
  await send('SET', 'long', 'x'.repeat(2_000))
  for (let at = 0; at < 30; at++) expect((await post('/', ['GET', 'long']))[0]).toBe(200)
  const [status, text] = await post('/multi-exec', [
    ['GET', 'long'],
    ['INCR', 'after'],
  ])
  expect([status, text]).toEqual([400, '{"error":"ERR max response size exceeded. Limit: 2000, Actual: 2001"}'])
})

test('a long pipeline is answered in its order', async () => {
  const replies = JSON.parse(
    (
      await post(
        '/pipeline',
        times(3_000, () => ['INCR', 'ordered']),
      )
    )[1],
  )
  expect(replies).toEqual(times(3_000, (at) => ({ result: at + 1 })))
})

test('what is kept of a reply is said when it comes, not when the last one has', async () => {
  const client = openServer({ url: redis.url })
  await client.connect()
  const first = await new Promise<Reply>((resolve) => {
    const take = (reply: Reply) => {
      resolve(reply)
      return reply
    }
    client
      .sendAll(
        [
          ['ECHO', 'first'],
          ['BLPOP', 'nothing', '0'],
        ],
        take,
      )
      .catch(() => {})
  })
  expect(String(first)).toBe('first')
  client.destroy()
})

/** A Redis whose reply to `n` is so many bytes. */
function setUp({ link: given }: { link?: (raw: Link) => Link } = {}) {
  const clock = createVirtualClock()
  const writes: number[] = []
  let onWrite = async () => {}
  const raw: Link = async (commands, take = (reply) => reply) => {
    await onWrite()
    writes.push(commands.length)
    return commands.map(([size]) => take(Buffer.alloc(Number(size) || 0)))
  }
  const limits = { maxReplyBytes: 10_000, maxResponseBytes: 100_000, deadlineMs: 5_000, clock }
  const link = withLimits(given ? given(raw) : raw, limits)
  return {
    clock,
    writes,
    pipeline: (count: number, bytes: number) => link(times(count, (): Command => [String(bytes)])),
    send: link,
    beforeWrite: (run: () => Promise<void>) => {
      onWrite = run
    },
  }
}

test('what is usual goes in one write, a transaction always, and ten thousand commands in eleven', async () => {
  const { pipeline, send, writes } = setUp()
  await pipeline(1, 9_000)
  await pipeline(100, 100)
  await send([['MULTI'], ...times(300, (): Command => ['10']), ['EXEC']])
  expect(writes.splice(0)).toEqual([1, 100, 302])
  expect(await pipeline(10_000, 5)).toHaveLength(10_000)
  expect(writes).toEqual([100, ...times(9, () => 1_000), 900])
})

test('slices are smaller once replies are large, so that few run whose replies are not kept', async () => {
  const { send, writes } = setUp()
  const replies = await send([...times(100, (): Command => ['10']), ...times(2_000, (): Command => ['300'])])
  expect(writes.slice(0, 2)).toEqual([100, 1_000])
  const { pipeline, writes: sizes } = setUp()
  const large = await pipeline(200, 700)
  expect(sizes).toEqual([100, 42, 1])
  expect([large, replies].map((all) => all.filter(Buffer.isBuffer).length)).toEqual([143, 430])
})

test('the parts of a pipeline with a WAIT share one sum', async () => {
  const client = { sendAll: async () => ['OK', 'PONG', '0'] }
  const connection = {
    client,
    within: (call: Promise<unknown>) => call,
    close: async () => {},
  } as unknown as Connection
  const { send, writes } = setUp({
    link: (raw) => withWaits(raw, { connect: async () => connection, deadlineMs: 5_000, clock: createVirtualClock() }),
  })
  const part = times(8, (): Command => ['10000'])
  const replies = await send([...part, ['WAIT', '0', '0'], ...part])
  expect([writes, replies[8], replies.filter(Buffer.isBuffer).length]).toEqual([[8, 8], '0', 10])
})

test('where Redis is lost between slices, the request may have run', async () => {
  const { pipeline, writes, beforeWrite } = setUp()
  beforeWrite(async () => {
    if (writes.length > 0) throw unavailable('away')
  })
  await expect(pipeline(101, 5)).rejects.toMatchObject({ status: 503, mayHaveRun: true })
  writes.length = 0
  beforeWrite(() => Promise.reject(unavailable('away')))
  await expect(pipeline(101, 5)).rejects.toMatchObject({ status: 503, mayHaveRun: false })
})

test('no slice is sent after the deadline', async () => {
  const { pipeline, writes, clock, beforeWrite } = setUp()
  beforeWrite(() => clock.advance(2_500))
  expect(await pipeline(3_000, 5).catch((error) => error)).toMatchObject({
    status: 503,
    mayHaveRun: true,
    message: 'ERR redis is not available: 1100 of 3000 answers within 5000 ms',
  })
  expect(writes).toEqual([100, 1_000])
})
