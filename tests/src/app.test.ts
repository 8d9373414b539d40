import { expect, test } from 'bun:test'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineApp, defineTask, type Schedule } from 'tq-edge'
import * as v from 'valibot'
import { unknownTask } from '../../src/app.ts'
import { isTqError, QueueFull, TqError } from '../../src/errors.ts'
import { type Task, validateInput } from '../../src/task.ts'

const wrong = (facts: object) => expect.objectContaining(facts)
const task = (name: string) => defineTask({ name, run() {} })
const schedule = (name: string, of: string): Schedule => ({
  name,
  task: of,
  input: '',
  queue: 'default',
  priority: 0,
  rule: { kind: 'every', everyMs: 1_000 },
  next: (afterMs) => afterMs + 1_000,
})

test('an app knows its tasks by name', () => {
  const app = defineApp({ tasks: [task('a'), task('b')] })
  expect([...app.tasks.keys()]).toEqual(['a', 'b'])
  expect([app.name, app.schedules]).toEqual(['app', []])
})

test('two tasks or two schedules of one name are refused', () => {
  expect(() => defineApp({ tasks: [task('a'), task('a')] })).toThrow(
    wrong({ name: 'DuplicateName', kind: 'task', duplicate: 'a' }),
  )
  expect(() => defineApp({ tasks: [task('a')], schedules: [schedule('s', 'a'), schedule('s', 'a')] })).toThrow(
    wrong({ name: 'DuplicateName', kind: 'schedule', duplicate: 's' }),
  )
})

test('a schedule of a task that the app lacks is refused, with the name that was probably meant', () => {
  expect(() => defineApp({ tasks: [task('email.send')], schedules: [schedule('s', 'email.sned')] })).toThrow(
    wrong({ name: 'UnknownTask', task: 'email.sned', suggestion: 'email.send' }),
  )
})

test('no name is suggested that is far from it', () => {
  expect(unknownTask('digest', ['email.send']).suggestion).toBeUndefined()
  expect(unknownTask('digest', []).suggestion).toBeUndefined()
})

test.each(['', 'with space', 'a'.repeat(201), 'ü', '{}'])('a task named %p is refused', (name) => {
  expect(() => task(name)).toThrow(wrong({ name: 'InvalidOption' }))
})

test.each([
  { timeoutMs: 0 },
  { keepResultMs: Number.NaN },
  { keepFailedMs: -1 },
  { timeoutMs: Number.POSITIVE_INFINITY },
])('a task with %p is refused', (policy) => {
  expect(() => defineTask({ name: 'a', run() {}, ...policy })).toThrow(wrong({ name: 'InvalidOption' }))
})

test('an input passes through its schema', () => {
  const trimmed = defineTask({ name: 'a', input: v.pipe(v.string(), v.trim()), run: (text) => text })
  expect(validateInput(trimmed as Task, ' x ')).toBe('x')
  expect(validateInput(task('b') as Task, { any: 'thing' })).toEqual({ any: 'thing' })
})

test('an input that fails names each place, and no value', () => {
  const input = v.object({ user: v.object({ age: v.number() }), tags: v.array(v.string()) })
  const strict = defineTask({ name: 'a', input, run() {} })
  const attempt = () => validateInput(strict as Task, { user: { age: 'secret-age' }, tags: ['ok', 7] })
  expect(attempt).toThrow(
    wrong({
      name: 'InvalidInput',
      task: 'a',
      issues: [wrong({ path: 'user.age' }), wrong({ path: 'tags.1' })],
    }),
  )
  expect(attempt).not.toThrow(/secret/)
})

test('a schema that fails without an issue is still an error', () => {
  const schema: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [] }) } }
  const odd = defineTask({ name: 'a', input: schema, run() {} })
  expect(() => validateInput(odd as Task, [1, 2])).toThrow(
    wrong({ issues: [{ path: '', message: 'not an array of 2' }] }),
  )
})

test('a handler runs as a method of its definition', async () => {
  const definition = {
    name: 'a',
    greeting: 'Hello',
    run: function (this: { greeting: string }) {
      return this.greeting
    },
  }
  expect(await defineTask(definition).run(undefined, {} as never)).toBe('Hello')
})

test('an error of tq’s is known by its name, also one of another copy', () => {
  const foreign = Object.assign(new Error('full'), { name: 'QueueFull', retryable: false })
  expect([isTqError(new QueueFull('a')), isTqError(foreign, 'QueueFull'), isTqError(foreign)]).toEqual([
    true,
    true,
    true,
  ])
  expect([isTqError(new Error('x')), isTqError('x'), isTqError(new QueueFull('a'), 'TooLarge')]).toEqual([
    false,
    false,
    false,
  ])
  expect(new QueueFull('a')).toBeInstanceOf(TqError)
})

test('a name of an app that no broker could keep is refused', () => {
  for (const name of ['', 'two\nlines', 'x'.repeat(201)])
    expect(() => defineApp({ name, tasks: [] })).toThrow('expected the name of an app to be')
})
