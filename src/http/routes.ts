import type { HonoBase } from 'hono/hono-base'
import type { BlankEnv, Schema } from 'hono/types'
import type { EventRoutes } from './events.ts'
import type { ExchangeRoutes } from './exchange.ts'
import type { HealthRoutes } from './health.ts'
import type { JobChangeRoutes } from './job-changes.ts'
import type { JobEventRoutes } from './job-events.ts'
import type { JobRoutes } from './jobs.ts'
import type { LinkRoutes } from './links.ts'
import type { QueueRoutes } from './queues.ts'
import type { ReadyRoutes } from './ready.ts'
import type { ScheduleRoutes } from './schedules.ts'
import type { TaskRoutes } from './tasks.ts'
import type { WorkerRoutes } from './workers.ts'

/** The REST API as a Hono app: its `fetch` is the handler, its type is what `hc` types a client from. */
export type Api = Routed<Routes>

export type Routes = HealthRoutes &
  ReadyRoutes &
  TaskRoutes &
  JobRoutes &
  JobEventRoutes &
  EventRoutes &
  JobChangeRoutes &
  QueueRoutes &
  WorkerRoutes &
  ExchangeRoutes &
  ScheduleRoutes &
  LinkRoutes

/**
 * A group of routes. What each route takes and answers is written out: an inferred type would be pages long.
 * `tests/http/client-types.test.ts` compares.
 */
export type Routed<Routes extends Schema> = HonoBase<BlankEnv, Routes, '/', string>

export type Route<Input, Output, Status> = { input: Input; output: Output; outputFormat: 'json'; status: Status }

/** What JSON can carry, for answers that somebody else has made. */
export type Json = string | number | boolean | null | Json[] | JsonObject
export type JsonObject = { [key: string]: Json }
