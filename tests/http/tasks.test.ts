import { expect, test } from 'bun:test'
import { defineApp, defineTask } from 'tq-edge'
import * as v from 'valibot'
import { app, setUp } from './support.ts'

const json = (response: Response) => response.json() as Promise<Record<string, unknown>>

/** A schema that can say what it is, as the standard has it. */
function described(input: () => Record<string, unknown>) {
  const asked: unknown[] = []
  const convert = (options: unknown) => {
    asked.push(options)
    return input()
  }
  const schema = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: convert, output: convert },
    },
  }
  return { schema, asked }
}

const toTasks = (...list: Parameters<typeof defineApp>[0]['tasks'][number][]) => ({
  app: defineApp({ tasks: list }),
})

test('tasks are told of by name, with the schema of their input where it can tell', async () => {
  const { schema, asked } = described(() => ({ type: 'object', required: ['to'] }))
  const send = defineTask({ name: 'email/send', input: schema, run: () => {} })
  const { get } = setUp(toTasks(send, defineTask({ name: 'anything', run: () => {} })))
  const view = { name: 'email/send', inputSchema: { type: 'object', required: ['to'] } }
  expect(await json(await get('/v1/tasks'))).toEqual({ tasks: [view, { name: 'anything', inputSchema: null }] })
  expect(await json(await get('/v1/tasks/email%2Fsend'))).toEqual(view)
  expect(asked).toEqual([{ target: 'draft-2020-12' }])
})

test('a schema that cannot say what it is is no error', async () => {
  const { schema } = described(() => {
    throw new Error('not representable')
  })
  const { get } = setUp(
    toTasks(
      defineTask({ name: 'a', input: schema, run: () => {} }),
      defineTask({ name: 'b', input: v.object({}), run: () => {} }),
    ),
  )
  expect(await json(await get('/v1/tasks'))).toEqual({
    tasks: [
      { name: 'a', inputSchema: null },
      { name: 'b', inputSchema: null },
    ],
  })
})

test('an API without an app knows of no tasks, and says that it takes any', async () => {
  const { get } = setUp()
  expect(await json(await get('/v1/tasks'))).toEqual({ tasks: null })
  expect(await json(await get('/v1/tasks/greet'))).toMatchObject({ type: 'urn:tq:problem:unknown-task', status: 404 })
})

test('a task that is not there comes with the one that looks most like it', async () => {
  const { get } = setUp({ app })
  expect(await json(await get('/v1/tasks/email.sned'))).toMatchObject({ status: 404, suggestion: 'email.send' })
})
