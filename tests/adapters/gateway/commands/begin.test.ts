import { expect, test } from 'bun:test'
import { withBegin } from '../../../../adapters/gateway/commands/begin.ts'
import type { Command } from '../../../../adapters/gateway/protocol/command.ts'
import { unanswered } from '../../../../adapters/gateway/protocol/refusal.ts'

test('an empty transaction goes before each, and before nothing else; where it is lost, nothing has run', async () => {
  const sent: (readonly Command[])[] = []
  const link = withBegin(async (commands) => {
    sent.push(commands)
    return commands.map(() => 'OK')
  })
  await link([['GET', 'a']])
  await link([['MULTI'], ['GET', 'a'], ['EXEC']])
  expect(sent).toEqual([[['GET', 'a']], [['MULTI'], ['EXEC']], [['MULTI'], ['GET', 'a'], ['EXEC']]])
  const lost = withBegin(() => Promise.reject(unanswered('lost')))
  await expect(lost([['MULTI'], ['GET', 'a'], ['EXEC']])).rejects.toMatchObject({ status: 503, mayHaveRun: false })
})
