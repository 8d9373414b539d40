import { cron } from '../../scheduler/index.ts'
import { type App, defineApp, defineTask, type Schedule } from '../../src/index.ts'

export const APP_NAME = 'scale'

const send = defineTask({ name: 'send', run: () => 'sent' })

/** One a day each, at any minute of the day, in one of a few zones. */
export function declare(count: number): Schedule[] {
  const zones = ['Europe/Oslo', 'America/New_York', 'Asia/Tokyo', 'UTC']
  return Array.from({ length: count }, (_, at) =>
    cron(`customer-${String(at).padStart(6, '0')}:digest`, `${at % 60} ${Math.floor(at / 60) % 24} * * *`, {
      task: send,
      input: { customer: at } as never,
      timezone: zones[at % zones.length],
    }),
  )
}

export function appOf(schedules: readonly Schedule[], name = APP_NAME): App {
  return defineApp({ name, tasks: [send], schedules })
}
