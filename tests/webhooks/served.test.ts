import { expect, test } from 'bun:test'
import { defineApp, defineTask } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { toFetch } from 'tq-edge/fetch'
import { github, slack, webhook } from 'tq-edge/webhooks'
import { createFolder } from '../cli/support.ts'
import { CASES } from './senders.ts'

const GITHUB = CASES.find(({ name }) => name === 'github') as (typeof CASES)[number]
const SLACK = CASES.find(({ name }) => name === 'slack') as (typeof CASES)[number]
const VARIABLES = { TQ_TOKENS: 'a-long-random-token', GITHUB_SECRET: GITHUB.secret, SLACK_SECRET: 'another' }

/** An edge app that drains after each answer, and what its one task has run. */
function setUp() {
  const ran: unknown[] = []
  const app = defineApp({
    tasks: [defineTask({ name: 'note', run: (input) => void ran.push(input) })],
    webhooks: ({ GITHUB_SECRET, SLACK_SECRET }) => [
      webhook('/hooks/github', github({ secret: GITHUB_SECRET }), 'note'),
      webhook('/hooks/slack', slack({ secret: [SLACK_SECRET], toleranceMs: Number.MAX_SAFE_INTEGER }), 'note'),
    ],
  })
  const broker = sqliteBroker({ path: ':memory:' })
  const fetch = toFetch(app, { broker: () => broker, kick: true })
  return { ran, fetch, broker }
}

const requestOf = ({ delivery: { headers, body } }: (typeof CASES)[number], path: string) =>
  new Request(`https://app.example${path}`, { method: 'POST', headers, body })

test('an edge app takes webhooks with secrets of its variables, and runs their jobs right after the answer', async () => {
  const { ran, fetch, broker } = setUp()
  const variables = { ...VARIABLES, SLACK_SECRET: SLACK.secret, A_BINDING: {} }
  const work: Promise<unknown>[] = []
  const answers = [
    await fetch(requestOf(GITHUB, '/hooks/github'), variables, (promise) => work.push(promise)),
    await fetch(requestOf(SLACK, '/hooks/slack'), variables, (promise) => work.push(promise)),
  ]
  await Promise.all(work)
  expect(answers.map(({ status }) => status)).toEqual([202, 200])
  expect(ran).toMatchObject(['Hello, World!', { command: '/webhook-collect' }])
  const refused = await fetch(
    requestOf({ ...GITHUB, delivery: { ...GITHUB.delivery, body: '' } }, '/hooks/github'),
    variables,
  )
  expect(refused.status).toBe(401)
  expect(work).toHaveLength(2)
  await broker.close()
})

test('an edge app whose secret is missing says so, and takes nothing', async () => {
  const { fetch, broker } = setUp()
  const { GITHUB_SECRET, ...variables } = VARIABLES
  const response = await fetch(requestOf(GITHUB, '/hooks/github'), variables)
  const text = await response.text()
  expect(response.status).toBe(500)
  expect(text).toContain('expected the secret of github')
  expect(text).not.toContain(GITHUB_SECRET)
  await broker.close()
})

const APP = `
import { defineApp, defineTask } from 'tq-edge'
import { github, webhook } from 'tq-edge/webhooks'
export default defineApp({
  tasks: [defineTask({ name: 'note', run: (text) => text })],
  webhooks: ({ GITHUB_SECRET }) => [webhook('/hooks/github', github({ secret: GITHUB_SECRET }), 'note')],
})
`

test.each([
  ['serve', ['--token', 'a-token-for-tests']],
  ['dev', []],
] as const)('tq %s takes the webhooks of its app, with secrets of the environment', async (command, flags) => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', APP)
  const env = { GITHUB_SECRET: GITHUB.secret }
  const server = folder.start([command, '--port', '0', ...flags], { env })
  const [url = ''] = /http:[^\s]+:\d+/.exec(await server.line(/http:\/\/\S+:\d+/)) ?? []
  const { headers, body } = GITHUB.delivery
  const response = await fetch(`${url}/hooks/github`, { method: 'POST', headers, body })
  expect(response.status).toBe(202)
  expect(await server.line(/enqueued +note/)).toContain('by webhook')
  server.signal('SIGTERM')
  const { stdout, stderr, exitCode } = await server.exit
  expect(stdout + stderr).not.toContain(GITHUB.secret)
  expect(exitCode).toBe(0)
})

test('tq serve does not start without the secret of a webhook; a worker needs none', async () => {
  await using folder = await createFolder()
  await folder.write('tq.config.ts', APP)
  const serve = await folder.tq(['serve', '--no-auth', '--port', '0'])
  expect([serve.exitCode > 0, serve.stderr]).toEqual([true, expect.stringContaining('expected the secret of github')])
  const work = await folder.tq(['work', '--burst'])
  expect([work.exitCode, work.stderr]).toEqual([0, ''])
})
