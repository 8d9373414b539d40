/**
 * What has to work on every runtime, written as a user of the package would: with the app of `examples/anywhere`, nothing but
 * Web APIs, and no test runner, so that it also runs inside a Cloudflare Worker.
 *
 * @module
 */
import { type Broker, createClient, createWorker, type TqEvent } from 'tq-edge'
import { createApi } from 'tq-edge/http'
import { deploySchedules, tick } from 'tq-edge/scheduler'
import { rrule } from 'tq-edge/scheduler/rrule'
import { solar } from 'tq-edge/scheduler/solar'
import { github, webhook } from 'tq-edge/webhooks'
import app, { wait } from '../../../examples/anywhere/tq.config.ts'

export interface Ground {
  readonly broker: Broker
  /** A server whose `/flaky/<anything>` answers 503 when it is asked first, 200 afterwards; all else is 404. */
  readonly pagesUrl: string
}

export interface Outcome {
  readonly name: string
  /** Why it failed. */
  readonly error?: string
}

/** SHA-256 of "abc", from FIPS 180-2. */
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const TOKEN = 'a-token-for-tests'

const cases: Record<string, (ground: Ground) => Promise<void>> = {
  async 'a job of the client runs in a worker, and its result comes back'({ broker }) {
    const job = await createClient<typeof app>({ broker }).enqueue('fingerprint', { text: 'abc' })
    equal((await drain(broker)).succeeded, 1)
    equal(await job.result(), ABC)
  },

  async 'a job of the REST API runs in a worker, and its result is read there'({ broker }) {
    const api = createApi({ app, broker, tokens: [TOKEN] })
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ text: 'abc' })
    const accepted = await api.request('/v1/tasks/fingerprint', { method: 'POST', headers, body })
    equal(accepted.status, 202)
    await drain(broker)
    const read = await api.request(`${accepted.headers.get('location')}/result`, { headers })
    equal(((await read.json()) as { result: unknown }).result, ABC)
    equal((await api.request('/v1/tasks/fingerprint', { method: 'POST', headers, body: '{"text":1}' })).status, 422)
    equal((await api.request('/v1/tasks/fingerprint', { method: 'POST', body })).status, 401)
  },

  async 'a webhook is verified, and becomes one job'({ broker }) {
    const secret = "It's a Secret to Everybody"
    const texts = webhook('/hooks/github', github<string>({ secret }), ({ body }, tq) =>
      tq.enqueue('fingerprint', { text: body }),
    )
    const api = createApi({ app, broker, tokens: [TOKEN], webhooks: [texts] })
    const headers = {
      'Content-Type': 'text/plain',
      'X-GitHub-Delivery': 'on-every-runtime',
      'X-Hub-Signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    }
    const deliver = async (body: string) =>
      (await api.request('/hooks/github', { method: 'POST', headers, body })).status
    equal(
      [await deliver('Hello, World?'), await deliver('Hello, World!'), await deliver('Hello, World!')],
      [401, 202, 202],
    )
    equal((await drain(broker)).succeeded, 1)
  },

  async 'a due time becomes one job, however many beats look'({ broker }) {
    const fired: string[] = []
    const onEvent = (event: TqEvent) => void (event.kind === 'beat.fired' && fired.push(event.id))
    await deploySchedules({ app, broker, stampMs: 1 })
    while (fired.length === 0) {
      const [{ nextAtMs, nowMs }] = await Promise.all([tick({ app, broker, onEvent }), tick({ app, broker, onEvent })])
      if (fired.length === 0) await after(Math.max(1, (nextAtMs ?? nowMs) - nowMs))
    }
    equal(new Set(fired).size, fired.length)
    await drain(broker)
    const record = await createClient({ broker })
      .job(fired[0] ?? '')
      .get()
    equal([record?.state, record?.tick?.schedule], ['succeeded', 'fingerprints'])
  },

  async 'a recurrence rule and the sun are due at the same moments everywhere'() {
    const rule = 'DTSTART;TZID=Europe/Oslo:20260101T023000\nRRULE:FREQ=DAILY'
    const place = { latitude: 59.91, longitude: 10.75 }
    const schedules = [
      rrule('night', rule, { task: wait }),
      solar('lamps', { event: 'sunset', ...place }, { task: wait }),
    ]
    const due = schedules.map(({ next }) => new Date(next(Date.parse('2026-03-28T20:00Z')) ?? 0).toISOString())
    equal(due, ['2026-03-30T00:30:00.000Z', '2026-03-29T17:53:00.000Z'])
  },

  async 'the same id again creates nothing'({ broker }) {
    const tq = createClient<typeof app>({ broker })
    const enqueue = () => tq.enqueue('fingerprint', { text: 'abc' }, { id: 'once' })
    equal([(await enqueue()).created, (await enqueue()).created], [true, false])
    equal((await drain(broker)).succeeded, 1)
  },

  async 'a wrong name and a wrong input are refused where the tasks are known'({ broker }) {
    const tq = createClient({ broker, tasks: app.tasks })
    equal(await nameOfError(tq.enqueue('fingerprnt' as never)), 'UnknownTask')
    equal(await nameOfError(tq.enqueue('fingerprint' as never, { text: 1 } as never)), 'InvalidInput')
  },

  async 'a handler that fails is tried again'({ broker, pagesUrl }) {
    const worker = createWorker({ app, broker })
    const working = worker.run()
    const url = `${pagesUrl}/flaky/${crypto.randomUUID()}`
    const job = await createClient<typeof app>({ broker }).enqueue('page.check', { url })
    equal(await job.result({ timeoutMs: 20_000 }), { status: 200, attempt: 2 })
    worker.stop()
    equal((await working).retried, 1)
  },

  async 'a handler that says so is not'({ broker, pagesUrl }) {
    const job = await createClient<typeof app>({ broker }).enqueue('page.check', { url: `${pagesUrl}/missing` })
    equal((await drain(broker)).failed, 1)
    const record = await job.get()
    equal([record?.state, record?.attempts, record?.error?.name], ['failed', 1, 'NonRetryable'])
  },

  async 'a handler past its time limit is aborted'({ broker }) {
    const job = await createClient<typeof app>({ broker }).enqueue('wait')
    equal((await drain(broker)).failed, 1)
    equal((await job.get())?.error?.name, 'JobTimeout')
  },

  async 'a delayed job waits, and can be cancelled'({ broker }) {
    const job = await createClient<typeof app>({ broker }).enqueue('fingerprint', { text: 'abc' }, { delayMs: 60_000 })
    equal((await drain(broker)).succeeded, 0)
    equal([(await job.get())?.state, await job.cancel()], ['scheduled', 'cancelled'])
  },

  async 'a hundred jobs of one call run, and each is there once'({ broker }) {
    const requests = Array.from({ length: 100 }, (_, at) => ({
      task: 'fingerprint' as const,
      input: { text: `text ${at}` },
    }))
    await createClient<typeof app>({ broker }).enqueueMany(requests)
    equal((await drain(broker)).succeeded, 100)
    equal((await drain(broker)).succeeded, 0)
  },
}

/** Runs every case, one after the other, on one broker. */
export async function conformance(ground: Ground): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [name, run] of Object.entries(cases))
    outcomes.push(
      await run(ground).then(
        () => ({ name }),
        (error: unknown) => ({ name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      ),
    )
  return outcomes
}

/** Runs what is claimable now. */
function drain(broker: Broker) {
  return createWorker({ app, broker, burst: true }).run()
}

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

const nameOfError = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error: Error) => error.name,
  )

function equal(got: unknown, expected: unknown): void {
  const [gotText, expectedText] = [JSON.stringify(got), JSON.stringify(expected)]
  if (gotText !== expectedText) throw new Error(`expected ${expectedText}, got ${gotText}`)
}
