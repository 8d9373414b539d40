import type * as v from 'valibot'
import { exchangeBody } from '../exchange-body.ts'
import { jobsChange } from '../job-filter.ts'
import { jobRequest } from '../request.ts'
import * as answers from './answers.ts'
import { scheduleBody } from './operations/schedules.ts'
import * as ofSchedules from './schedule-answers.ts'

/** The schemas that have a name in the document, and so a type in generated clients. */
export const NAMED: Readonly<Record<string, v.GenericSchema>> = {
  JobRequest: jobRequest,
  JobsChange: jobsChange,
  Exchange: exchangeBody as v.GenericSchema,
  ScheduleRequest: scheduleBody as v.GenericSchema,
  Problem: answers.problem,
  Job: answers.jobView,
  JobPage: answers.jobsView,
  JobEvent: answers.jobEvent,
  Transition: answers.transition,
  JobResult: answers.resultView,
  JobError: answers.errorView,
  JobTick: answers.jobTick,
  EnqueuedJob: answers.enqueuedJob,
  EnqueuedJobs: answers.enqueuedJobs,
  ChangedJobs: answers.changedJobs,
  Task: answers.taskView,
  Queue: answers.queueView,
  PausedQueue: answers.pausedQueue,
  PurgedQueue: answers.purgedQueue,
  Worker: answers.seenWorker,
  ClaimedJob: answers.claimedView,
  ClaimedJobText: answers.claimedJob,
  Exchanged: answers.exchangeAnswer,
  Schedule: ofSchedules.scheduleView,
  SchedulePage: ofSchedules.schedulesPage,
  ScheduleRun: ofSchedules.runOutcome,
  ScheduleTick: ofSchedules.runView,
}
