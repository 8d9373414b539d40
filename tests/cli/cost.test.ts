import { expect, test } from 'bun:test'
import { STEP_COMMANDS } from '../../adapters/brokers/redis/cost.ts'
import { createFolder } from './support.ts'

test('tq cost prints each step and the month, needing neither app nor broker', async () => {
  await using folder = await createFolder()
  const { stdout, exitCode } = await folder.tq(['cost', '--jobs', '1M', '--workers', '3', '--rate', '10/s'])
  expect(stdout).toMatch(/^enqueue +1,000,000 +5 +5,000,000 +\$10\.00$/m)
  expect(stdout).toMatch(/^a month, at most +[\d,]+ +\$[\d.]+$/m)
  expect(exitCode).toBe(0)
})

test('tq cost --json adds up, by the price that is given', async () => {
  await using folder = await createFolder()
  const { stdout } = await folder.tq(['cost', '--jobs', '2.5k', '--rate', '90/min', '--price', '4', '--json'])
  const { workload, steps, commands, dollars } = JSON.parse(stdout)
  expect(workload).toEqual({ jobsPerMonth: 2_500, jobsPerS: 1.5, workers: 1 })
  expect(steps.reduce((sum: number, step: { commands: number }) => sum + step.commands, 0)).toBe(commands)
  expect(commands).toBe(2_500 * STEP_COMMANDS.jobAlone + 43_200 * STEP_COMMANDS.idleWorkerMinute)
  expect(dollars).toBeCloseTo((commands / 100_000) * 4, 2)
})
