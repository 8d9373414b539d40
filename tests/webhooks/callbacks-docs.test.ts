/** The receiver of callbacks that the guide shows, and the app of tq that takes them. */
import { expect, spyOn, test } from 'bun:test'
import { createClient, createWorker, defineApp, defineTask, sendCallbacks } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { createApi } from 'tq-edge/http'
import { standardWebhooks, webhook } from 'tq-edge/webhooks'
import { createFolder, ROOT } from '../cli/support.ts'

const SECRET = `whsec_${btoa('a secret that is long enough')}`
const app = defineApp({ tasks: [defineTask({ name: 'greet', run: (name) => `Hello, ${name}` })] })

interface Receiver {
  fetch(request: Request): Response | Promise<Response>
}

/** Has a job told to the receiver, and answers what the receiver was sent. */
async function tell({ fetch }: Receiver): Promise<Request> {
  const broker = sqliteBroker({ path: ':memory:' })
  const sent: Request[] = []
  const callbacks = sendCallbacks({
    secret: SECRET,
    fetch: async (request) => {
      sent.push(request.clone())
      return fetch(request)
    },
  })
  await createClient<typeof app>({ broker }).enqueue('greet', 'Ada', {
    id: 'one',
    onSuccess: 'https://app.test/hooks/tq',
  })
  await createWorker({ app, broker, callbacks, burst: true }).run()
  expect((await broker.get(['one:onSuccess:1']))[0]?.state).toBe('succeeded')
  return sent[0] as Request
}

test('the receiver of the guide verifies a callback, and does nothing twice', async () => {
  const page = await Bun.file(`${ROOT}/docs/webhooks.md`).text()
  const code = page.match(/```ts\n(\/\/ receiver\.ts\n[\s\S]*?)```/)?.[1] ?? ''
  await using folder = await createFolder()
  await folder.write('receiver.ts', code)
  process.env.TQ_CALLBACK_SECRET = SECRET
  const { default: receiver }: { default: Receiver } = await import(`${folder.path}/receiver.ts`)
  delete process.env.TQ_CALLBACK_SECRET
  const log = spyOn(console, 'log').mockImplementation(() => {})
  const sent = await tell(receiver)
  expect((await receiver.fetch(sent.clone())).status).toBe(200)
  expect(log.mock.calls).toEqual([['Hello, Ada']])
  log.mockRestore()
  const forged = new Request(sent, { body: (await sent.text()).replace('Ada', 'Eve'), method: 'POST' })
  expect((await receiver.fetch(forged)).status).toBe(401)
})

test('an app takes the callbacks of another as webhooks', async () => {
  const broker = sqliteBroker({ path: ':memory:' })
  const webhooks = [webhook('/hooks/tq', standardWebhooks({ secret: SECRET }), 'greeted')]
  const api = createApi({ broker, tokens: ['a-long-random-token'], webhooks })
  await tell({ fetch: async (request) => api.request(request) })
  const { jobs } = await broker.list({ task: 'greeted' })
  expect(jobs.map(({ input }) => JSON.parse(input ?? ''))).toMatchObject([
    { type: 'job.succeeded', data: { result: 'Hello, Ada' } },
  ])
})
