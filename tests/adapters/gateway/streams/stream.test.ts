import { expect, test } from 'bun:test'
import { createStream } from '../../../../adapters/gateway/streams/stream.ts'

test('who leaves in the very moment of a message, as on Deno, was not too slow', () => {
  const said: string[] = []
  const stream = createStream({ onEnd: () => said.push('end'), onDropped: () => said.push('dropped') })
  const frame = new Uint8Array(1)
  // Asked for while it is taken.
  Object.defineProperty(frame, 'byteLength', {
    get() {
      void stream.body.cancel()
      return 1
    },
  })
  stream.send(frame)
  expect([said, stream.isOpen]).toEqual([['end'], false])
})
