import type { HonoBase } from 'hono/hono-base'
import type { BlankEnv } from 'hono/types'
import type { RunOutcome, RunView, SchedulesPage, ScheduleView } from '../schedules.ts'
import type { EnqueuedJob } from './enqueue.ts'
import type { LastBeat } from './health.ts'
import type { JobView, ResultView } from './job-view.ts'
import type { Problem } from './problem.ts'
import type {
  HealthQuery,
  JobsBody,
  NextQuery,
  RunQuery,
  ScheduleBody,
  ScheduleListQuery,
  TaskQuery,
  WaitQuery,
} from './request.ts'

/** The REST API as a Hono app: its `fetch` is the handler, its type is what `hc` types a client from. */
export type Api = HonoBase<BlankEnv, Routes, '/', string>

/** One job of many: taken, or refused for the problem given. */
export type JobAnswer = EnqueuedJob | { readonly id: string; readonly problem: Problem }

/** What each route takes and answers, written out: an inferred type would be pages long. `tests/http/client-types.test.ts` compares. */
export type Routes = {
  '/healthz': { $get: Route<{ query?: HealthQuery }, { status: 'ok'; beat?: LastBeat }, 200> }
  '/v1/tasks/:task': {
    $post: Route<{ param: { task: string }; query: TaskQuery; json?: unknown }, EnqueuedJob, 202>
  }
  '/v1/jobs': {
    $post: Route<{ json: JobsBody }, EnqueuedJob, 202> | Route<{ json: JobsBody }, { jobs: JobAnswer[] }, 202 | 207>
  }
  '/v1/jobs/:id': { $get: Route<{ param: { id: string } }, JobView, 200> }
  '/v1/jobs/:id/result': {
    $get: Route<{ param: { id: string }; query: WaitQuery }, ResultView, 200 | 202>
  }
  '/v1/schedules': { $get: Route<{ query: ScheduleListQuery }, SchedulesPage, 200> }
  '/v1/schedules/:name': {
    $get: Route<Named, ScheduleView, 200>
    $put: Route<Named & { json: ScheduleBody }, ScheduleView, 200 | 201>
    $delete: { input: Named; output: null; outputFormat: 'body'; status: 204 }
  }
  '/v1/schedules/:name/pause': { $post: Route<Named, ScheduleView, 200> }
  '/v1/schedules/:name/resume': { $post: Route<Named, ScheduleView, 200> }
  '/v1/schedules/:name/run': { $post: Route<Named & { query: RunQuery; json?: unknown }, RunOutcome, 200 | 202> }
  '/v1/schedules/:name/history': { $get: Route<Named, { runs: readonly RunView[] }, 200> }
  '/v1/schedules/:name/next': {
    $get: Route<Named & { query: NextQuery }, { dueAtMs: readonly number[] }, 200>
  }
}

type Named = { param: { name: string } }
type Route<Input, Output, Status> = { input: Input; output: Output; outputFormat: 'json'; status: Status }
