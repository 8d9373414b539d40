/** Schedules and the beat (`tq-edge/scheduler`). */
export { type Beat, type BeatOptions, createBeat } from './beat.ts'
export { type CronOptions, cron } from './cron.ts'
export { fromDefinition, toDefinition } from './definition.ts'
export { type DeployOptions, type DeployReport, deploySchedules } from './deploy.ts'
export { every } from './every.ts'
export type { ScheduleOptions } from './schedule.ts'
export { type TickOptions, type TickReport, tick } from './tick.ts'
