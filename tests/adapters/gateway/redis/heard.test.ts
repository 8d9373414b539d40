import { expect, test } from 'bun:test'
import { createHeard, type Subscribing } from '../../../../adapters/gateway/redis/heard.ts'

/** Says what it is asked for. */
function createAsked() {
  const asked: (readonly [string, string, unknown])[] = []
  const ask =
    (what: string) =>
    async (channel: string, listener: unknown): Promise<void> =>
      void asked.push([what, channel, listener])
  const client: Subscribing = {
    subscribe: ask('subscribe'),
    unsubscribe: ask('unsubscribe'),
    pSubscribe: ask('pSubscribe'),
    pUnsubscribe: ask('pUnsubscribe'),
  }
  return { client, asked }
}

test('what somebody else left late is heard by the next client all the same', async () => {
  const heard = createHeard(() => createAsked().client)
  const [first, second] = [() => {}, () => {}]
  for (const listener of [first, second]) {
    await heard.subscribe('a', listener, true)
    await heard.pSubscribe('a*', listener, true)
  }
  await heard.unsubscribe('a', first, true)
  await heard.pUnsubscribe('a*', first, true)
  const next = createAsked()
  await heard.resume(next.client)
  expect(next.asked).toEqual([
    ['subscribe', 'a', second],
    ['pSubscribe', 'a*', second],
  ])
  await heard.unsubscribe('a', second, true)
  await heard.pUnsubscribe('a*', second, true)
  next.asked.length = 0
  await heard.resume(next.client)
  expect(next.asked).toEqual([])
})
