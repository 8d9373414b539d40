import type { Broker, SeenBeat } from '../broker.ts'
import type { Clock } from '../clock.ts'
import { refusal } from './problem.ts'

/** When a beat was there last: no more is told to whoever asks without a token. */
export interface LastBeat {
  readonly seenAtMs: number
  readonly agoMs: number
}

/** Whoever asks more often is answered from memory: an open route must not run up the bill. */
const ASK_MS = 20_000

export interface HealthOptions {
  readonly broker: Broker
  readonly clock: Clock
  /** Whose beats; any app's when left out. */
  readonly app: string | undefined
}

/** What tells of the last beat. Throws `RefusedRequest` when there was none for longer than so long. */
export function createHealth({ broker, clock, app }: HealthOptions): (withinMs: number) => Promise<LastBeat> {
  let asked: Promise<SeenBeat | undefined> | undefined
  let askedAtMs = 0

  function ask(): Promise<SeenBeat | undefined> {
    if (asked && clock.monotonic() - askedAtMs < ASK_MS) return asked
    askedAtMs = clock.monotonic()
    asked = broker.beats().then((beats) => beats.find((beat) => app === undefined || beat.app === app))
    return asked
  }

  return async (withinMs) => {
    const last = await ask()
    const agoMs = last && Math.round(last.agoMs + clock.monotonic() - askedAtMs)
    if (last && agoMs !== undefined && agoMs <= withinMs) return { seenAtMs: last.seenAtMs, agoMs }
    const got = agoMs === undefined ? 'none so far' : `the last one ${toS(agoMs)} ago`
    throw refusal('no-beat', `expected a beat within ${toS(withinMs)}, got ${got}`)
  }
}

const toS = (ms: number) => `${Math.round(ms / 1_000)} s`
