import { type App, BrokerUnavailable, defineApp, defineTask, type JobTick, type Schedule, type TqEvent } from 'tq-edge'
import { sqliteBroker } from 'tq-edge/brokers/sqlite'
import { dueAfter } from '../../scheduler/due-after.ts'
import { reasonOf } from '../../scheduler/reason.ts'
import type { Broker, JobRecord } from '../../src/index.ts'
import { createVirtualClock, type VirtualClock } from '../support/clock.ts'

export const tidy = defineTask({ name: 'tidy', run: () => 'done' })

export function appWith(...schedules: Schedule[]): App {
  return defineApp({ name: 'shop', tasks: [tidy], schedules })
}

export interface Scene {
  readonly clock: VirtualClock
  readonly broker: Broker
  readonly events: TqEvent[]
  readonly onEvent: (event: TqEvent) => void
  readonly newId: () => string
  readonly random: () => number
}

/** A broker of its own on a virtual clock, and somebody who writes down what is told. */
export function createScene(startAt = '2026-01-05T12:00:00Z'): Scene {
  const clock = createVirtualClock(Date.parse(startAt))
  const events: TqEvent[] = []
  let ids = 0
  return {
    clock,
    broker: sqliteBroker({ path: ':memory:', clock, random: createRandom(1) }),
    events,
    onEvent: (event) => events.push(event),
    newId: () => `id-${++ids}`,
    random: createRandom(2),
  }
}

export async function jobsOf(broker: Broker): Promise<JobRecord[]> {
  const jobs: JobRecord[] = []
  let cursor: string | null | undefined
  while (cursor !== null) {
    const page = await broker.list({ limit: 1_000, ...(cursor ? { cursor } : {}) })
    jobs.push(...page.jobs)
    cursor = page.cursor
  }
  return jobs
}

/** The ticks that became jobs, by due time. */
export async function ticksOf(broker: Broker, schedule?: string): Promise<JobTick[]> {
  const ticks = (await jobsOf(broker)).flatMap(({ tick }) => tick ?? [])
  return ticks
    .filter((tick) => schedule === undefined || tick.schedule === schedule)
    .sort((a, b) => a.dueAtMs - b.dueAtMs)
}

export async function dueTimesOf(broker: Broker, schedule?: string): Promise<string[]> {
  return (await ticksOf(broker, schedule)).map(({ dueAtMs }) => new Date(dueAtMs).toISOString())
}

/** All due times after `fromMs` up to `untilMs`. */
export function dueTimes({ next }: Pick<Schedule, 'next'>, fromMs: number, untilMs: number): number[] {
  const times: number[] = []
  for (let at = next(fromMs); at !== null && at <= untilMs; at = next(at)) times.push(at)
  return times
}

/** The next due times, each with its reason. */
export function upcoming(schedule: Schedule, { afterMs, count }: { afterMs: number; count: number }) {
  const due = dueAfter(schedule.next, afterMs, Number.POSITIVE_INFINITY, count)
  return due.map((dueAtMs) => ({ dueAtMs, reason: reasonOf(schedule, dueAtMs) }))
}

export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A broker over a bad line: requests and replies get lost, and copies of mutations arrive at once and late. */
export function unreliable(broker: Broker, random: () => number): Broker {
  const late: (() => Promise<unknown>)[] = []
  async function send<T>(run: () => Promise<T>, repeats: boolean): Promise<T> {
    const lost = new BrokerUnavailable('unreliable', 'nothing')
    if (random() < 0.15) throw lost
    if (random() < 0.2) await late.shift()?.()
    const reply = await run()
    if (repeats && random() < 0.2) await run()
    if (repeats && random() < 0.2) late.push(run)
    if (random() < 0.15) throw lost
    return reply
  }
  return {
    ...broker,
    schedules: (query) => send(() => broker.schedules(query), false),
    setSchedules: (changes) => send(() => broker.setSchedules(changes), true),
    deployed: (app) => send(() => broker.deployed(app), false),
    setDeployed: (...args) => send(() => broker.setDeployed(...args), true),
    fire: (ticks) => send(() => broker.fire(ticks), true),
  }
}

const COUNTED = ['schedules', 'setSchedules', 'deployed', 'setDeployed', 'fire'] as const

/** A broker that writes down the calls that a beat makes of it. */
export function counted(broker: Broker, calls: string[]): Broker {
  const through = COUNTED.map((name) => {
    const call = broker[name] as (...args: unknown[]) => unknown
    return [
      name,
      (...args: unknown[]) => {
        calls.push(name)
        return call(...args)
      },
    ]
  })
  return { ...broker, ...Object.fromEntries(through) }
}
