import * as v from 'valibot'
import { scheduleFields } from '../../../schedule-data.ts'
import { nextQuery, runQuery, type ScheduleBody, type ScheduleRoutes, schedulesQuery } from '../../schedules.ts'
import type { OperationsOf } from '../operation.ts'
import { dueTimes, runOutcome, runsView, schedulesPage, scheduleView } from '../schedule-answers.ts'

/** What `fromScheduleData` checks, but for the name, which is the path's. */
export const scheduleBody: v.GenericSchema<ScheduleBody> = v.strictObject(scheduleFields)

export const scheduleOperations: OperationsOf<ScheduleRoutes> = {
  '/v1/schedules': {
    $get: {
      id: 'listSchedules',
      summary: 'Lists schedules by name, a page at a time',
      query: schedulesQuery,
      answers: { 200: { summary: 'A page', schema: schedulesPage } },
    },
  },
  '/v1/schedules/:name': {
    $get: {
      id: 'getSchedule',
      summary: 'Tells of a schedule',
      answers: { 200: { summary: 'The schedule', schema: scheduleView, headers: ['ETag'] } },
      problems: ['unknown-schedule'],
    },
    $put: {
      id: 'setSchedule',
      summary: 'Makes a schedule, or replaces it as a whole',
      headers: ['If-Match', 'If-None-Match'],
      body: {
        schema: scheduleBody,
        required: true,
        examples: {
          cron: {
            task: 'greet',
            input: { name: 'Ada' },
            rule: { kind: 'cron', pattern: '0 7 * * 1-5', timezone: 'Europe/Oslo' },
          },
          every: { task: 'greet', input: { name: 'Ada' }, rule: { kind: 'every', everyMs: 60_000 }, overlap: 'skip' },
        },
      },
      answers: {
        200: { summary: 'It is replaced', schema: scheduleView, headers: ['ETag'] },
        201: { summary: 'It is made', schema: scheduleView, headers: ['ETag'] },
      },
      problems: ['unknown-task', 'invalid-input', 'schedule-exists', 'schedule-unreadable', 'changed', 'storage-full'],
    },
    $delete: {
      id: 'removeSchedule',
      summary: 'Removes a schedule that was made at run time; its jobs stay',
      headers: ['If-Match'],
      answers: { 204: { summary: 'It is gone' } },
      problems: ['unknown-schedule', 'schedule-declared', 'changed'],
    },
  },
  '/v1/schedules/:name/pause': {
    $post: {
      id: 'pauseSchedule',
      summary: 'Has a schedule never be due until it is resumed',
      headers: ['If-Match'],
      answers: { 200: { summary: 'It is paused', schema: scheduleView, headers: ['ETag'] } },
      problems: ['unknown-schedule', 'schedule-unreadable', 'changed'],
    },
  },
  '/v1/schedules/:name/resume': {
    $post: {
      id: 'resumeSchedule',
      summary: 'Has a schedule be due again from now on',
      headers: ['If-Match'],
      answers: { 200: { summary: 'It is not paused', schema: scheduleView, headers: ['ETag'] } },
      problems: ['unknown-schedule', 'schedule-unreadable', 'changed'],
    },
  },
  '/v1/schedules/:name/run': {
    $post: {
      id: 'runSchedule',
      summary: 'Runs a schedule now; a body is the input in place of its own',
      description: 'With a body the scope `enqueue` of its task is needed as well.',
      query: runQuery,
      headers: ['Idempotency-Key'],
      body: { examples: { other: { name: 'Grace' } } },
      answers: {
        200: { summary: 'Its rule of overlap has no job made', schema: runOutcome, headers: ['Idempotent-Replayed'] },
        202: { summary: 'The job is stored', schema: runOutcome, headers: ['Location', 'Idempotent-Replayed'] },
      },
      problems: [
        ...(['unknown-schedule', 'schedule-unreadable', 'unknown-task', 'invalid-input', 'changed'] as const),
        ...(['job-conflict', 'queue-full', 'storage-full', 'blobs-unavailable'] as const),
      ],
    },
  },
  '/v1/schedules/:name/history': {
    $get: {
      id: 'getScheduleHistory',
      summary: 'Tells of the last 10 ticks of a schedule, newest first',
      answers: { 200: { summary: 'The ticks', schema: runsView } },
      problems: ['unknown-schedule'],
    },
  },
  '/v1/schedules/:name/next': {
    $get: {
      id: 'getScheduleNext',
      summary: 'Tells the next due times of a schedule',
      query: nextQuery,
      answers: { 200: { summary: 'None while it is paused', schema: dueTimes } },
      problems: ['unknown-schedule', 'schedule-unreadable'],
    },
  },
}
