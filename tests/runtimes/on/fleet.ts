import { type Broker, createClient, type JobRecord } from 'tq-edge'
import { redisBroker } from 'tq-edge/brokers/redis'
import { toBatches } from '../../../src/batches.ts'
import { isFinished } from '../../../src/words.ts'
import { start } from '../command.ts'
import { CLI } from '../packed.ts'
import { expectEqual, outcomeOf, type Runtime, type Site } from '../runtime.ts'
import { TOKEN } from './edge.ts'
import { type Ledger, startLedger } from './ledger.ts'
import { MEMBERS, type Member, type Post } from './member.ts'

/** Every two of the members. No two pairs that follow each other share one: who is killed has the time to come back. */
const PAIRS: readonly (readonly [number, number])[] = [1, 2].flatMap((apart) =>
  MEMBERS.map((_, at) => {
    const one = (at * 2 * apart) % MEMBERS.length
    return [one, (one + apart) % MEMBERS.length] as const
  }),
)
/** More than the whole fleet holds at once: whoever comes finds some. */
const JOBS_A_PAIR = 500
const LIMIT_MS = 55_000

/** All runtimes at once, on one queue. */
export const fleet: Runtime = {
  name: 'fleet',
  check: async (site) => [
    await outcomeOf('5,000 jobs are settled once each while any two of the members are killed', () =>
      withinLimit(survives(site)),
    ),
  ],
}

/** Of somebody who does not start or claim, nobody else would tell. */
function withinLimit(work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>()
  const limit = setTimeout(() => late.reject(new Error(`expected an end after ${LIMIT_MS} ms, got none`)), LIMIT_MS)
  return Promise.race([work, late.promise]).finally(() => clearTimeout(limit))
}

async function survives({ packed: { path: project }, redisUrl }: Site): Promise<void> {
  await using gateway = await start([process.execPath, CLI, 'gateway', '--redis', redisUrl, '--port', '0', '--json'], {
    cwd: project,
    env: { TQ_GATEWAY_TOKENS: TOKEN },
  })
  const { url } = JSON.parse(gateway.line) as { url: string }
  const redis = { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN, TQ_PREFIX: 'fleet' }
  const broker = redisBroker({ url, token: TOKEN, prefix: 'fleet', subscribe: false })
  const ledger = startLedger()
  const startAt = (at: number, name: string) => startMember(at, { name, project, redis })
  const members = MEMBERS.map((_, at) => startAt(at, '1'))
  try {
    const { ids, killed } = await killPairs({ members, startAt, broker, ledger })
    const records = await whenFinished(broker, ids)
    const survivors = await Promise.all(members.filter((_, at) => !PAIRS.at(-1)?.includes(at)))
    check({ records, ledger, killed, survivors: survivors.map(({ name }) => name) })
    for (const { name, retire } of survivors) {
      const succeeded = records.filter(({ result }) => result === JSON.stringify(name)).length
      // Who has drained by cron tells nobody how many it were.
      expectEqual([name, (await retire()) ?? succeeded], [name, succeeded])
    }
  } finally {
    for (const member of await Promise.allSettled(members)) if (member.status === 'fulfilled') await member.value.kill()
    await Promise.all([ledger.stop(), broker.close()])
  }
}

/** Whoever does not start is told of where it is awaited. */
function startMember(at: number, post: Post): Promise<Member> {
  const member = (MEMBERS[at] as (typeof MEMBERS)[number])(post)
  member.catch(() => {})
  return member
}

interface Ground {
  readonly members: Promise<Member>[]
  readonly startAt: (at: number, name: string) => Promise<Member>
  readonly broker: Broker
  readonly ledger: Ledger
}

/** Each pair dies in the middle of runs, and comes back while the next one does. */
async function killPairs({ members, startAt, broker, ledger }: Ground) {
  const tq = createClient({ broker })
  const ids: string[] = []
  const killed: string[] = []
  for (const [round, pair] of PAIRS.entries()) {
    const doomed = await Promise.all(pair.map((at) => members[at] as Promise<Member>))
    const held = ledger.holdUntilRunning(doomed.map(({ name }) => name))
    const requests = Array.from({ length: JOBS_A_PAIR }, () => ({ task: 'tell', input: { ledgerUrl: ledger.url } }))
    const jobs = await tq.enqueueMany(requests as never)
    ids.push(...jobs.map(({ id }) => id))
    const release = await held
    await Promise.all(doomed.map(({ kill }) => kill()))
    release()
    killed.push(...doomed.map(({ name }) => name))
    if (round < PAIRS.length - 1) for (const at of pair) members[at] = startAt(at, String(round + 2))
  }
  return { ids, killed }
}

async function whenFinished(broker: Broker, ids: readonly string[]): Promise<readonly JobRecord[]> {
  const endsAtMs = Date.now() + LIMIT_MS
  for (;;) {
    const pages = toBatches(ids, () => 1).map((page) => broker.get(page))
    const records = (await Promise.all(pages)).flat().filter((record) => record !== null)
    const open = records.filter(({ state }) => !isFinished(state))
    if (records.length === ids.length && open.length === 0) return records
    if (Date.now() >= endsAtMs)
      throw new Error(`expected ${ids.length} jobs to finish, got ${records.length} and ${open.length} open`)
    await Bun.sleep(200)
  }
}

interface Books {
  readonly records: readonly JobRecord[]
  readonly ledger: Ledger
  readonly killed: readonly string[]
  readonly survivors: readonly string[]
}

/** By the broker's records and by the ledger: one success a job, and a run in vain only by who was killed. */
function check({ records, ledger, killed, survivors }: Books): void {
  const wrong = records.flatMap(({ id, state, attempts, result }) => {
    const ran = ledger.members.get(id) ?? []
    const last = ran.findLast((member) => JSON.stringify(member) === result)
    const inVain = ran.filter((member) => !killed.includes(member) && member !== last)
    const isOnce = ran.filter((member) => survivors.includes(member)).length <= 1
    return state === 'succeeded' && attempts === 1 && last && inVain.length === 0 && isOnce ? [] : [{ id, state, ran }]
  })
  expectEqual(wrong.slice(0, 5), [])
  expectEqual([records.length, ledger.members.size], [PAIRS.length * JOBS_A_PAIR, PAIRS.length * JOBS_A_PAIR])
}
