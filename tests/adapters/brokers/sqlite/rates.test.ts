import { expect, test } from 'bun:test'
import { createVirtualClock } from '../../../support/clock.ts'
import { countedBroker } from './support.ts'

test('however many addresses come and go, the table holds those whose window is not over', async () => {
  const clock = createVirtualClock()
  const { broker, driver } = countedBroker(':memory:', clock)
  for (let at = 0; at < 300; at++) {
    await broker.countCall(['token', 'address'].map((of) => ({ key: `${of}-${at}`, calls: 1, windowMs: 60_000 })))
    await clock.advance(1_000)
  }
  const kept = driver.all('select key from tq_rate').length
  expect(kept).toBeGreaterThanOrEqual(2 * 59)
  expect(kept).toBeLessThanOrEqual(2 * 61)
  for (let at = 0; at < 120; at++) await broker.countCall([{ key: 'last', calls: 1_000, windowMs: 60_000 }])
  await clock.advance(60_000)
  for (let at = 0; at < 120; at++) await broker.countCall([{ key: 'last', calls: 1_000, windowMs: 60_000 }])
  expect(driver.all('select key from tq_rate')).toEqual([{ key: 'last' }])
  await broker.close()
})
