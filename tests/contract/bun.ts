/** Runs the contract suite under bun's test runner. */
import { describe, expect, test } from 'bun:test'
import { createVirtualClock } from '../support/clock.ts'
import { brokerCases } from './broker.ts'
import { type Case, type CreateSubject, runCase } from './subject.ts'

export interface TestBrokerOptions {
  /** What this broker's tests cannot show, by the case's name, with the reason. */
  readonly skip?: Readonly<Record<string, string>>
  /** Why it has no hints, when it has none. */
  readonly withoutWake?: string
  /** How long one case may take. Default 20,000. */
  readonly timeoutMs?: number
}

export function testBroker(
  name: string,
  create: CreateSubject,
  { skip = {}, withoutWake, timeoutMs = 20_000 }: TestBrokerOptions = {},
): void {
  const missing: { readonly [Need in NonNullable<Case['needs']>]: string | undefined } = {
    'a second broker': isStore(create) ? withoutWake : 'its store is the broker’s alone',
    wake: withoutWake,
  }
  describe(`${name} as a broker`, () => {
    for (const one of brokerCases) {
      const reason = skip[one.name] ?? (one.needs && missing[one.needs])
      if (reason) test.skip(`${one.name} (${reason})`, () => {})
      else test(one.name, async () => expect(await runCase(one, create)).toBeNull(), timeoutMs)
    }
    test('every case that is skipped exists', () => {
      const known = new Set(brokerCases.map((one) => one.name))
      expect(Object.keys(skip).filter((skipped) => !known.has(skipped))).toEqual([])
    })
  })
}

/** A look at what the factory makes, on a clock that nobody moves. */
function isStore(create: CreateSubject): boolean {
  const subject = create(createVirtualClock(), {})
  if ('open' in subject) return true
  void subject.close()
  return false
}
