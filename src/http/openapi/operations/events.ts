import * as v from 'valibot'
import { type EventRoutes, eventsQuery } from '../../events.ts'
import type { OperationsOf } from '../operation.ts'

export const eventOperations: OperationsOf<EventRoutes> = {
  '/v1/events': {
    $get: {
      id: 'watchJobs',
      summary: 'Streams what becomes of all jobs, as server-sent events',
      description:
        'The data of an event `job` is a Transition, what a job was changed to; `gap` says that some before are not kept any more.',
      query: eventsQuery,
      headers: ['Last-Event-ID'],
      answers: { 200: { summary: 'The stream', type: 'text/event-stream', schema: v.string() } },
      problems: ['events-off', 'too-many-streams'],
    },
  },
}
