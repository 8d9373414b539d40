import { expect, test } from 'bun:test'
import { createNewsFilter, toLine } from '../../cli/log.ts'
import type { TqEvent } from '../../src/events.ts'

const JOB = { id: 'one', task: 'greet' }
const ERROR = { name: 'Error', message: 'first line\nsecond \u001b[31mline' }

const TOTALS = { succeeded: 2, retried: 0, failed: 0, released: 0, cancelled: 0, late: 1, exchanges: 3 }

const LINES: [TqEvent, string][] = [
  [
    { kind: 'job.succeeded', ...JOB, durationMs: 1_234, result: '"hi"' },
    'succeeded   greet               one  in 1.2 s  "hi"',
  ],
  [{ kind: 'job.started', ...JOB, attempt: 1 }, 'started     greet               one'],
  [{ kind: 'job.started', ...JOB, attempt: 2 }, 'started     greet               one  attempt 2'],
  [
    { kind: 'job.retrying', ...JOB, attempt: 1, delayMs: 90_000, error: ERROR },
    'retrying    greet               one  attempt 1 failed, again in 1.5 min: first line second [31mline',
  ],
  [
    { kind: 'task.unknown', task: 'gret', suggestion: 'greet' },
    'unknown     gret                no such task here: its jobs are put back; did you mean "greet"?',
  ],
  [
    { kind: 'beat.fired', schedule: 's', id: 'one', dueAtMs: 0, lateMs: 3_000 },
    'fired       s                   one  due 1970-01-01T00:00:00Z, 3 s late',
  ],
  [
    { kind: 'beat.missed', schedule: 's', dueAtMs: 0, nextDueAtMs: 60_000, count: 7 },
    'missed      s                   7 from 1970-01-01T00:00:00Z on are left out',
  ],
  [
    { kind: 'beat.missed', schedule: 's', dueAtMs: 0, nextDueAtMs: null, count: 1_000 },
    'missed      s                   1000 or more from 1970-01-01T00:00:00Z on are left out',
  ],
  [
    { kind: 'worker.stopped', worker: 'w', totals: TOTALS },
    'stopped                         2 succeeded, 1 late in 3 exchanges',
  ],
  [
    { kind: 'worker.stopped', worker: 'w', totals: { ...TOTALS, exchanges: 1, commands: 41 } },
    'stopped                         2 succeeded, 1 late in 1 exchange, 41 commands',
  ],
  [
    { kind: 'broker.warning', reason: 'expected this, got that' },
    'broker                          expected this, got that',
  ],
  [
    { kind: 'kick.failed', reason: 'expected status 202, got 404' },
    'kick                            failed: expected status 202, got 404',
  ],
  [
    { kind: 'beat.late', schedule: 'tens', dueAtMs: Date.UTC(2026, 0, 5), lateMs: 95_000 },
    'late        tens                due since 2026-01-05T00:00:00Z, 1.6 min late',
  ],
  [
    { kind: 'ping.failed', schedule: 'tens', to: 'https://hc.test', reason: 'no answer' },
    'ping        tens                https://hc.test failed: no answer',
  ],
  [
    { kind: 'http.request', method: 'GET', path: '/healthz', status: 200, durationMs: 0.4 },
    'http        GET                 /healthz  200 in 0 ms',
  ],
  [
    { kind: 'http.request', method: 'GET', path: '/x\n12:00:00\u001b[2J', status: 401, durationMs: 0.4 },
    'http        GET                 /x 12:00:00 [2J  401 in 0 ms',
  ],
]

const plain = (text: string) => Bun.stripANSI(text)

test.each(LINES)('%j is one line', (event, line) => {
  expect(plain(toLine(event))).toBe(line)
})

test('a long result is cut', () => {
  const line = plain(toLine({ kind: 'job.succeeded', ...JOB, durationMs: 1, result: `"${'x'.repeat(5_000)}"` }))
  expect(line).toEndWith('x…')
  expect(line.length).toBeLessThan(180)
})

test('an error is told to its end, with what to do about it', () => {
  const advice = 'if it may be called, name its host in allowHosts or TQ_ALLOW_HOSTS'
  const error = {
    name: 'AddressRefused',
    message: `expected an address on the public internet, got http://127.0.0.1: ${advice}`,
  }
  expect(plain(toLine({ kind: 'job.failed', ...JOB, attempt: 1, reason: 'not retryable', error }))).toEndWith(advice)
})

test('a warning is said once, be it found by a worker and a beat', () => {
  const isNews = createNewsFilter()
  const warnings = ['this', 'this', 'that'].map((reason) => isNews({ kind: 'broker.warning', reason }))
  expect(warnings).toEqual([true, false, true])
})

test('an unknown task is said once, not again for each job that is put back, until it is known', () => {
  const released: TqEvent = { kind: 'job.released', ...JOB, reason: 'as told', delayMs: 1_000 }
  const isNews = createNewsFilter()
  expect(isNews(released)).toBe(true)
  expect(isNews({ kind: 'task.unknown', task: 'greet' })).toBe(true)
  expect(isNews(released)).toBe(false)
  expect(isNews({ ...released, task: 'other' })).toBe(true)
  isNews({ kind: 'job.started', ...JOB, attempt: 1 })
  expect(isNews(released)).toBe(true)
})
