/** The REST producer (`tq-edge/http`). */
export { type ApiOptions, createApi } from './api.ts'
export type { Tokens } from './auth.ts'
export type { EnqueuedJob } from './enqueue.ts'
export type { ErrorView, JobView, ResultView } from './job-view.ts'
export type { Problem, ProblemKind } from './problem.ts'
export type { JobRequest, ScheduleBody } from './request.ts'
export type { Api, JobAnswer } from './routes.ts'
