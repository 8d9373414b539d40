import { expect, test } from 'bun:test'
import { recall } from '../../scheduler/recall.ts'

test('what is known is not created again', () => {
  const known = new Map<string, number>()
  expect(recall(known, 'a', () => 1)).toBe(1)
  expect(recall(known, 'a', () => 2)).toBe(1)
})

test('of more than 200 the one that was asked for longest ago is forgotten', () => {
  const known = new Map<string, number>()
  for (let at = 0; at < 200; at++) recall(known, `${at}`, () => at)
  recall(known, '0', () => -1)
  recall(known, '200', () => 200)
  expect(known.size).toBe(200)
  expect([known.has('0'), known.has('1'), known.has('2')]).toEqual([true, false, true])
})

test('what cannot be created is not known', () => {
  const known = new Map<string, number>()
  const refuse = () => {
    throw new Error('no')
  }
  expect(() => recall(known, 'a', refuse)).toThrow('no')
  expect(known.size).toBe(0)
})
