import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { toDefinition } from '../../scheduler/definition.ts'
import { deploySchedules, every, tick } from '../../scheduler/index.ts'
import { MAX_PAGE_SCHEDULES } from '../../src/broker.ts'
import { defineTask } from '../../src/index.ts'
import { median, rounded } from '../stats.ts'
import { atMost, type Target, told } from '../targets.ts'
import { APP_NAME, appOf, declare } from './app.ts'
import { openStore, redisStore, type Store, sqliteStore } from './stores.ts'

export interface BenchSchedulesOptions {
  readonly json: boolean
  readonly quick: boolean
  readonly toTable: (targets: readonly Target[]) => string
  readonly tell: (step: string) => void
}

interface BeatFigures {
  readonly declareMs: number
  readonly deployMs: number
  /** From the start of the process to the answer of its first look at what is due. */
  readonly answerMs: number
  readonly rssMb: number
  readonly peakMb: number
}

const BEAT = fileURLToPath(new URL('./beat.ts', import.meta.url))
const DUE = 100
const PASSES = 5

/** A hundred thousand schedules on each broker, declared by the app's file and made at run time; answers what is to be printed. */
export async function benchSchedules({ json, quick, toTable, tell }: BenchSchedulesOptions): Promise<string> {
  const count = quick ? 10_000 : 100_000
  const targets: Target[] = []
  for (const create of [sqliteStore, redisStore]) {
    const store = await create()
    try {
      targets.push(...(await benchStore(store, count, tell)))
    } finally {
      await store.stop()
    }
  }
  if (json) return JSON.stringify({ count, targets })
  return `\n${count.toLocaleString('en')} schedules${quick ? ', quick' : ''}\n\n${toTable(targets)}`
}

async function benchStore(store: Store, count: number, tell: (step: string) => void): Promise<Target[]> {
  const { name } = store
  tell(`${name}: the first deploy, then restarts`)
  const first = await runBeat(store, count)
  const again = await runBeat(store, count)
  tell(`${name}: passes with ${DUE} due`)
  const { passMs, commands } = await benchPasses(store)
  await store.empty()
  tell(`${name}: schedules that the app's file does not declare`)
  await runBeat(store, 0)
  await storeAtRunTime(store, count)
  const apart = await runBeat(store, 0)
  return [
    atMost(`${name}: first deploy`, rounded(first.deployMs / 1_000), 's', 15),
    atMost(`${name}: second deploy`, rounded(again.deployMs / 1_000), 's', 1),
    told(`${name}: declaring them`, rounded(again.declareMs / 1_000), 's'),
    atMost(`${name}: restart, declared`, rounded(again.answerMs / 1_000), 's', 2),
    atMost(`${name}: restart, made at run time`, rounded(apart.answerMs / 1_000), 's', 2),
    atMost(`${name}: beat, declared`, rounded(again.rssMb), 'MB', 150),
    told(`${name}: at its peak`, rounded(again.peakMb), 'MB'),
    atMost(`${name}: beat, made at run time`, rounded(apart.rssMb), 'MB', 150),
    told(`${name}: a pass with ${DUE} due`, rounded(passMs), 'ms'),
    ...(commands === null ? [] : [atMost(`${name}: the same`, commands, 'commands', 20)]),
  ]
}

async function runBeat({ address }: Store, declared: number): Promise<BeatFigures> {
  const child = spawn(process.execPath, [BEAT, String(declared), ...address], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const figures: Partial<BeatFigures>[] = []
  createInterface({ input: child.stdout }).on('line', (line) => figures.push(JSON.parse(line)))
  const code = await ended
  if (code !== 0 || figures.length !== 2) throw new Error(`expected figures of a beat, got its end (${code})`)
  return Object.assign({}, ...figures)
}

/** As those are that nobody declares: of the same app. */
async function storeAtRunTime({ address }: Store, count: number): Promise<void> {
  const broker = openStore(address)
  const { nowMs } = await broker.schedules({ names: [] })
  const changes = declare(count).map(
    (schedule) =>
      ({
        kind: 'set',
        name: schedule.name,
        app: APP_NAME,
        definition: toDefinition(schedule),
        dueAtMs: schedule.next(nowMs),
        incarnation: 'bench',
        stampMs: 1,
      }) as const,
  )
  for (let from = 0; from < count; from += MAX_PAGE_SCHEDULES)
    await broker.setSchedules(changes.slice(from, from + MAX_PAGE_SCHEDULES))
  await broker.close()
}

/** Of another app, beside all the others: due again a second later. */
async function benchPasses(store: Store): Promise<{ passMs: number; commands: number | null }> {
  const broker = openStore(store.address)
  const task = defineTask({ name: 'send', run: () => 'sent' })
  const app = appOf(
    Array.from({ length: DUE }, (_, at) => every(`often-${at}`, '1s', { task })),
    'often',
  )
  await deploySchedules({ app, broker })
  const passesMs: number[] = []
  let commands: number | null = null
  for (let passed = 0; passed < PASSES; passed++) {
    const { nowMs } = await broker.schedules({ names: [] })
    // In the middle of a second, so that none falls due within the pass.
    await new Promise((resolve) => setTimeout(resolve, 1_300 - (nowMs % 1_000)))
    commands = await store.countCommands(async () => {
      const startedMs = performance.now()
      const { fired } = await tick({ app, broker })
      passesMs.push(performance.now() - startedMs)
      if (fired !== DUE) throw new Error(`expected ${DUE} ticks, got ${fired}`)
    })
  }
  await broker.close()
  return { passMs: median(passesMs), commands }
}
