import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { NonError, toError } from '../../src/errors.ts'
import { fromJson, MAX_ERROR_BYTES, toJobError, toJson, utf8Bytes } from '../../src/job.ts'

test('undefined is the empty text, and back', () => {
  expect(toJson('it', undefined)).toBe('')
  expect(fromJson('')).toBeUndefined()
})

test('what JSON can carry comes back as it was', () => {
  const holds = fc.property(fc.jsonValue(), (value) => {
    expect(fromJson(toJson('it', value))).toEqual(JSON.parse(JSON.stringify(value)))
  })
  fc.assert(holds, { seed: 2_026 })
})

const cycle: { self?: unknown } = {}
cycle.self = { cycle }

test.each([
  ['a BigInt', 7n],
  ['a BigInt', { deep: [7n] }],
  ['a cycle', cycle],
  ['a function', () => 1],
  ['a symbol', Symbol('s')],
])('%s is refused by name', (found, value) => {
  expect(() => toJson('the input', value)).toThrow(
    expect.objectContaining({ name: 'NotSerializable', what: 'the input', found }),
  )
})

test('a toJSON that throws is named, and what it says stays out of the message', () => {
  const value = {
    toJSON() {
      throw new RangeError('token 1234')
    },
  }
  const attempt = () => toJson('the input', value)
  expect(attempt).toThrow(expect.objectContaining({ name: 'NotSerializable' }))
  expect(attempt).not.toThrow(/1234/)
})

test('utf8Bytes counts what an encoder makes', () => {
  const encoder = new TextEncoder()
  const holds = fc.property(fc.string({ unit: 'grapheme' }), (text) => {
    expect(utf8Bytes(text)).toBe(encoder.encode(text).length)
  })
  fc.assert(holds, { seed: 2_026 })
  expect(utf8Bytes('aü日🚀')).toBe(10)
})

test('what is stored of an error is bounded', () => {
  const error = Object.assign(new Error('x'.repeat(10_000)), { name: 'N'.repeat(1_000), stack: 's'.repeat(20_000) })
  const { name, message, stack } = toJobError(error)
  expect([name.length, message.length, stack?.length]).toEqual([200, 2_000, 8_000])
})

test('an error without a stack is stored without one', () => {
  const error = new Error('bare')
  delete error.stack
  expect(toJobError(error)).toEqual({ name: 'Error', message: 'bare' })
})

test.each([
  ['a text', 'secret', 'a string of 6 characters'],
  ['a number', 7, 'a number'],
  ['null', null, 'null'],
  ['undefined', undefined, 'undefined'],
  ['an array', [1, 2], 'an array of 2'],
  ['an object without a class', Object.create(null), 'an object of no class'],
])('%s that was thrown becomes an error that describes it', (_what, thrown, found) => {
  const error = toError(thrown)
  expect(error).toBeInstanceOf(NonError)
  expect(error.message).toBe(`expected an Error to be thrown, got ${found}`)
})

test('an error that was thrown stays itself', () => {
  const error = new TypeError('mine')
  expect(toError(error)).toBe(error)
})

test('an error is bounded in bytes, whatever its characters take as JSON', () => {
  for (const character of ['x', 'ø', '日', '"', '\u0007', '🦜']) {
    const error = Object.assign(new Error(character.repeat(9_000)), { name: character.repeat(900) })
    error.stack = character.repeat(90_000)
    const kept = toJobError(error)
    expect(utf8Bytes(JSON.stringify(kept))).toBeLessThanOrEqual(MAX_ERROR_BYTES)
    expect(kept.stack?.length).toBeGreaterThan(1_000)
  }
})
