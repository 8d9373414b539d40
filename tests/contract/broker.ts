/**
 * The contract suite: what every broker does, case by case. A broker's own test file hands its factory to `testBroker`.
 *
 * The cases use `node:assert` alone, so that any runtime can run them without a test runner.
 *
 * @module
 */
import { aheadCases } from './broker/ahead.ts'
import { beatCases } from './broker/beats.ts'
import { blockedCases } from './broker/blocked.ts'
import { callbackQueueCases } from './broker/callback-queues.ts'
import { callbackCases } from './broker/callbacks.ts'
import { cancelCases } from './broker/cancel.ts'
import { changeCases } from './broker/changes.ts'
import { claimCases } from './broker/claim.ts'
import { enqueueCases } from './broker/enqueue.ts'
import { envelopeCases } from './broker/envelope.ts'
import { faultCases } from './broker/faults.ts'
import { fenceCases } from './broker/fence.ts'
import { fullCases } from './broker/full.ts'
import { leaseCases } from './broker/lease.ts'
import { lookedAheadCases } from './broker/looked-ahead.ts'
import { manualCases } from './broker/manual.ts'
import { nextCases } from './broker/next.ts'
import { operationCases } from './broker/operations.ts'
import { overlapCases } from './broker/overlap.ts'
import { overlapHistoryCases } from './broker/overlap-history.ts'
import { rateCases } from './broker/rates.ts'
import { readCases } from './broker/reads.ts'
import { requestCases } from './broker/requests.ts'
import { runCases } from './broker/runs.ts'
import { scheduleReadCases } from './broker/schedule-reads.ts'
import { scheduleCases } from './broker/schedules.ts'
import { settleCases } from './broker/settle.ts'
import { takenBackCases } from './broker/taken-back.ts'
import { transitionCases } from './broker/transitions.ts'
import { wakeCases } from './broker/wake.ts'
import type { Case } from './subject.ts'

export const brokerCases: readonly Case[] = [
  ...enqueueCases,
  ...requestCases,
  ...envelopeCases,
  ...fullCases,
  ...claimCases,
  ...settleCases,
  ...fenceCases,
  ...leaseCases,
  ...aheadCases,
  ...nextCases,
  ...cancelCases,
  ...operationCases,
  ...readCases,
  ...scheduleCases,
  ...scheduleReadCases,
  ...beatCases,
  ...changeCases,
  ...lookedAheadCases,
  ...takenBackCases,
  ...overlapCases,
  ...blockedCases,
  ...overlapHistoryCases,
  ...runCases,
  ...manualCases,
  ...rateCases,
  ...transitionCases,
  ...wakeCases,
  ...callbackCases,
  ...callbackQueueCases,
  ...faultCases,
]
