import { type HealthRoutes, healthQuery } from '../../health.ts'
import type { ReadyRoutes } from '../../ready.ts'
import { health, ready } from '../answers.ts'
import type { OperationsOf } from '../operation.ts'

export const healthOperations: OperationsOf<HealthRoutes & ReadyRoutes> = {
  '/healthz': {
    $get: {
      id: 'getHealth',
      summary: 'Says that the server is up and, with `beat`, that a beat is',
      query: healthQuery,
      answers: { 200: { summary: 'It is', schema: health } },
      problems: ['no-beat'],
    },
  },
  '/readyz': {
    $get: {
      id: 'getReadiness',
      summary: 'Says whether the broker answers',
      answers: { 200: { summary: 'It does', schema: ready } },
      problems: ['not-ready'],
    },
  },
}
