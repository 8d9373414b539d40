import type { ExchangeRoutes } from '../../exchange.ts'
import { exchangeBody } from '../../exchange-body.ts'
import { exchangeAnswer } from '../answers.ts'
import type { OperationsOf } from '../operation.ts'

export const exchangeOperations: OperationsOf<ExchangeRoutes> = {
  '/v1/exchange': {
    $post: {
      id: 'exchange',
      summary: "Is a worker's whole protocol: settles, extends and claims in one step",
      description: 'Sent again with the same `lane` and `seq` it is answered the same, and changes nothing.',
      body: {
        schema: exchangeBody,
        required: true,
        examples: {
          claim: { lane: 'worker-7.1.0', seq: 1, queues: ['default'], want: 10 },
          settle: {
            lane: 'worker-7.1.0',
            seq: 2,
            settle: [
              { kind: 'succeeded', id: 'welcome-ada', epoch: 1, result: 'Hello, Ada' },
              { kind: 'retry', id: 'welcome-grace', epoch: 1, delayMs: 5_000, error: { message: 'no route' } },
            ],
            extend: [{ id: 'welcome-alan', epoch: 1, progress: 0.5 }],
          },
        },
      },
      answers: { 200: { summary: 'The claimed jobs, and what came too late', schema: exchangeAnswer } },
      problems: ['stale-exchange', 'storage-full'],
    },
  },
}
