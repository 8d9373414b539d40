import type { SeenWorker } from '../broker.ts'
import type { ApiContext } from './context.ts'
import { checkNothing } from './request.ts'
import { createRouteGroup } from './route-group.ts'
import type { Route, Routed } from './routes.ts'

export type WorkerRoutes = {
  '/v1/workers': { $get: Route<object, { workers: SeenWorker[] }, 200> }
}

/** Tells of the workers that were here lately. */
export function workerRoutes({ broker }: ApiContext): Routed<WorkerRoutes> {
  return createRouteGroup().get('/v1/workers', checkNothing, async (c) =>
    c.json({ workers: [...(await broker.workers())] }, 200),
  )
}
