import { expect, test } from 'bun:test'
import { MONTH_S, monthlyCost, STEP_COMMANDS, type Workload } from '../../../../adapters/brokers/redis/cost.ts'

const JOBS = 1_000_000
const total = (workload: Workload) => monthlyCost(workload).reduce((sum, { commands }) => sum + commands, 0)
const without = (step: string, workload: Workload) =>
  monthlyCost(workload)
    .filter((one) => one.step !== step)
    .reduce((sum, { commands }) => sum + commands, 0)
const IDLE = 'idle minutes of workers'

test('jobs that come one by one cost what a job alone costs', () => {
  expect(without(IDLE, { jobsPerMonth: JOBS, jobsPerS: 1, workers: 1 })).toBe(JOBS * STEP_COMMANDS.jobAlone)
})

test('a month without jobs costs what idle workers cost, whatever the rate', () => {
  expect(total({ jobsPerMonth: 0, jobsPerS: 10, workers: 3 })).toBe((3 * STEP_COMMANDS.idleWorkerMinute * MONTH_S) / 60)
})

test('batches are cheaper than single jobs, and the faster jobs come the less each costs', () => {
  const slow: Workload = { jobsPerMonth: JOBS, jobsPerS: 10, workers: 1 }
  expect(total({ ...slow, batch: 100 })).toBeLessThan(total(slow) / 5)
  expect(total({ ...slow, jobsPerS: 5_000 })).toBeLessThan(total(slow) / 3)
})

test('more workers, queues, reads and schedules never cost less', () => {
  const base: Workload = { jobsPerMonth: JOBS, jobsPerS: 50, workers: 1 }
  for (const more of [{ workers: 4 }, { queues: 3 }, { readsPerJob: 1 }, { schedules: 5 }, { batch: 1, lanes: 4 }])
    expect(total({ ...base, ...more })).toBeGreaterThanOrEqual(total(base))
})

test('a schedule’s ticks are counted with the exchanges of their jobs', () => {
  const steps = monthlyCost({ jobsPerMonth: 0, jobsPerS: 1, workers: 1, schedules: 2, scheduleMs: 300_000 })
  expect(Object.fromEntries(steps.map(({ step, times }) => [step, times]))).toEqual({
    ticks: 17_280,
    'exchanges for ticks': 34_560,
    [IDLE]: 43_200,
    'idle minutes of the beat': 43_200,
  })
})
