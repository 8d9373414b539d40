import type { Broker } from '../broker.ts'
import type { Clock } from '../clock.ts'
import type { ApiContext } from './context.ts'
import { refusal } from './problem.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'

export type ReadyRoutes = {
  '/readyz': { $get: Route<object, { status: 'ready' }, 200> }
}

/** Whether the broker answers. Nobody is asked for a token, and told nothing more. */
export function readyRoutes({ broker, clock }: ApiContext): Routed<ReadyRoutes> {
  const isReady = createLook(broker, clock)
  return createRouteGroup().get('/readyz', async (c) => {
    if (await isReady()) return c.json({ status: 'ready' as const }, 200)
    throw refusal('not-ready', 'expected the broker to answer, got none', { headers: { 'Retry-After': '5' } })
  })
}

const LOOK_TIMEOUT_MS = 2_000
const LOOK_KEPT_MS = 1_000

/** One look serves all who ask within a second, so that whoever asks cannot run up a bill. */
function createLook(broker: Broker, clock: Clock): () => Promise<boolean> {
  let look = Promise.resolve(false)
  let lookedMs = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = clock.monotonic()
    if (nowMs - lookedMs < LOOK_KEPT_MS) return look
    lookedMs = nowMs
    look = answers(broker, clock)
    return look
  }
}

/** The cheapest read there is: what it finds does not matter. */
function answers(broker: Broker, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(LOOK_TIMEOUT_MS, () => resolve(false))
    const done = (isReady: boolean) => {
      cancel()
      resolve(isReady)
    }
    broker.get(['readyz']).then(
      () => done(true),
      () => done(false),
    )
  })
}
