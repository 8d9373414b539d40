/** The client of schedules for a command. */
import { createSchedules } from '../scheduler/index.ts'
import type { App } from '../src/app.ts'
import type { Broker } from '../src/broker.ts'
import { isTqError } from '../src/errors.ts'
import type { Schedules } from '../src/schedules.ts'
import { type OpenBrokerOptions, withBroker } from './broker.ts'
import { findAppIfAny, loadApp } from './config.ts'
import { printNote } from './print.ts'

export interface SchedulesArgs extends OpenBrokerOptions {
  /** Only those of the app of this name. */
  readonly appName: string | undefined
}

/** Runs `use` on the schedules of a broker, those of all apps where none is named. */
export function withSchedules<T>(
  { appName, ...options }: SchedulesArgs,
  use: (schedules: Schedules, broker: Broker) => Promise<T>,
): Promise<T> {
  return withBroker(options, (broker) => use(createSchedules({ broker, appName }), broker))
}

/** The same, with the code of the app in this folder where a schedule cannot do without it. */
export function withCode<T>(
  args: SchedulesArgs & AppArgs,
  use: (schedules: Schedules, broker: Broker, app?: App) => Promise<T>,
): Promise<T> {
  return withSchedules(args, async (schedules, broker) => {
    try {
      return await use(schedules, broker)
    } catch (error) {
      const app = isTqError(error, 'ScheduleUnreadable') ? await appIfAny(args.app) : undefined
      if (!app) throw error
      return use(createSchedules({ broker, app, appName: args.appName }), broker, app)
    }
  })
}

interface AppArgs {
  readonly app: string | undefined
}

/** The app whose schedule is to be written: the one in this folder, if it is the one named. Says where nothing is checked. */
export async function checkingApp(app: string | undefined, appName: string | undefined): Promise<App | undefined> {
  const found = await appIfAny(app)
  if (found && (appName === undefined || found.name === appName)) return found
  const where = found ? `this is the app "${found.name}"` : 'no tq.config.ts here'
  printNote(`${where}: the name of the task and the input are not checked`)
  return undefined
}

async function appIfAny(path: string | undefined): Promise<App | undefined> {
  const file = findAppIfAny(path)
  return file === undefined ? undefined : (await loadApp(file)).app
}
