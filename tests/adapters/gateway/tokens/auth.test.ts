import { expect, test } from 'bun:test'
import { createGuard } from '../../../../adapters/gateway/tokens/auth.ts'
import type { GatewayTokens } from '../../../../adapters/gateway/tokens/token.ts'
import { createVirtualClock } from '../../../support/clock.ts'

const requestBy = (token: string) => new Request('http://gateway/', { headers: { authorization: `Bearer ${token}` } })

test('what a seal has derived at some cost stays for as long as its token is there, whatever others come and go', () => {
  let tokens: GatewayTokens = ['one', 'two']
  const { admit } = createGuard(() => tokens, createVirtualClock())
  const sealOf = (token: string) => admit(requestBy(token), '').seal
  const [one, two] = [sealOf('one'), sealOf('two')]
  expect(one).not.toBe(two)
  tokens = ['three', 'two', 'one']
  expect([sealOf('one') === one, sealOf('two') === two]).toEqual([true, true])
  tokens = ['two']
  expect(() => sealOf('one')).toThrow('WRONGPASS')
  expect(sealOf('two')).toBe(two)
})
