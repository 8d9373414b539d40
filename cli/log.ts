/** Events as lines: one readable line, or one JSON document, for each thing that happens. */
import pc from 'picocolors'
import { CALLBACK_TASK } from '../src/callbacks.ts'
import type { OnEvent, TqEvent, WorkerTotals } from '../src/events.ts'
import { printJson, printLine } from './print.ts'
import { toDuration, toTime } from './times.ts'

interface Line {
  /** What happened, in one word. */
  readonly what: string
  /** The task, schedule or address it happened to. */
  readonly to?: string
  readonly id?: string
  readonly more?: string
}

const MAX_TEXT_CHARS = 100
/** What is to be done stands at the end of an error. */
const MAX_ERROR_CHARS = 400
const WHAT_CHARS = 10
const TO_CHARS = 18

/** Prints every event as it comes; `now` is the wall clock for the time stamps. */
export function createLog({ json, now = Date.now }: { json: boolean; now?: () => number }): OnEvent {
  if (json) return (event) => printJson({ atMs: now(), ...event })
  const isNews = createNewsFilter()
  return (event) => {
    if (isNews(event)) printLine(`${pc.dim(toClockTime(now()))}  ${toLine(event)}`)
  }
}

/** An unknown task is said once, and not again for each of its jobs that is put back; a warning once, and not by worker and beat. */
export function createNewsFilter(): (event: TqEvent) => boolean {
  const unknown = new Set<string>()
  const warned = new Set<string>()
  return (event) => {
    if (event.kind === 'task.unknown') unknown.add(event.task)
    if (event.kind === 'job.started') unknown.delete(event.task) // A reload has brought it.
    if (event.kind === 'broker.warning') return warned.size < warned.add(event.reason).size
    return event.kind !== 'job.released' || !unknown.has(event.task)
  }
}

/** The line of an event, without its time stamp. */
export function toLine(event: TqEvent): string {
  const { what, to = '', id, more } = describeEvent(event)
  const parts = [colorOf(event)(what.padEnd(WHAT_CHARS)), to.padEnd(TO_CHARS), ...(id ? [pc.dim(id)] : []), more ?? '']
  return parts.join('  ').trimEnd()
}

function describeEvent(event: TqEvent): Line {
  switch (event.kind) {
    case 'worker.started':
      return { what: 'worker', more: `serves ${event.queues.join(', ')} · concurrency ${event.concurrency}` }
    case 'worker.stopping':
      return { what: 'stopping', more: `${event.running} running` }
    case 'worker.stopped':
      return { what: 'stopped', more: toTotals(event.totals) }
    case 'job.enqueued':
      return { what: 'enqueued', to: event.task, id: event.id, more: `on ${event.queue} by ${event.by}` }
    case 'job.started':
      return { ...jobOf('started', event), ...(event.attempt > 1 ? { more: `attempt ${event.attempt}` } : {}) }
    case 'job.succeeded':
      return jobOf('succeeded', event, `in ${toDuration(event.durationMs)}  ${shorten(event.result)}`)
    case 'job.retrying': {
      const when = `attempt ${event.attempt} failed, again in ${toDuration(event.delayMs)}`
      return jobOf('retrying', event, `${when}: ${shorten(event.error.message, MAX_ERROR_CHARS)}`)
    }
    case 'job.failed':
      return jobOf(
        'failed',
        event,
        `${event.reason}: ${shorten(`${event.error.name}: ${event.error.message}`, MAX_ERROR_CHARS)}`,
      )
    case 'job.cancelled':
      return jobOf('cancelled', event)
    case 'job.released':
      return jobOf('released', event, `${event.reason}, claimable in ${toDuration(event.delayMs)}`)
    case 'job.progress':
      return jobOf('progress', event, shorten(event.progress))
    case 'job.log':
      return jobOf('log', event, shorten(event.message))
    case 'job.late':
      return jobOf('late', event, 'its lease had passed to another worker; what it did here does not count')
    case 'task.unknown': {
      if (event.task === CALLBACK_TASK)
        return { what: 'unknown', to: event.task, more: 'no TQ_CALLBACK_SECRET to sign with: they are put back' }
      const hint = event.suggestion ? `; did you mean "${event.suggestion}"?` : ''
      return { what: 'unknown', to: event.task, more: `no such task here: its jobs are put back${hint}` }
    }
    case 'beat.started':
      return { what: 'beat', more: `${event.schedules} ${event.schedules === 1 ? 'schedule' : 'schedules'}` }
    case 'beat.fired':
      return { what: 'fired', to: event.schedule, id: event.id, more: `due ${toTime(event.dueAtMs)}${lateness(event)}` }
    case 'beat.missed': {
      const count = event.count < 1_000 ? event.count : `${event.count} or more`
      return { what: 'missed', to: event.schedule, more: `${count} from ${toTime(event.dueAtMs)} on are left out` }
    }
    case 'beat.skipped': {
      const more = `due ${toTime(event.dueAtMs)}, but a job before it has not finished`
      return { what: 'skipped', to: event.schedule, more }
    }
    case 'beat.late':
      return { what: 'late', to: event.schedule, more: `due since ${toTime(event.dueAtMs)}${lateness(event)}` }
    case 'ping.failed':
      return { what: 'ping', to: event.schedule, more: `${event.to} failed: ${event.reason}` }
    case 'beat.unknown':
      return { what: 'unknown', to: event.schedule, more: `its task "${event.task}" or its rule is not known here` }
    case 'beat.broken':
      return { what: 'broken', to: event.schedule, more: event.reason }
    case 'beat.stopped':
      return { what: 'stopped', more: 'beat' }
    case 'broker.retrying':
      return { what: 'broker', more: `${event.call} again in ${toDuration(event.delayMs)}: ${event.reason}` }
    case 'broker.failed':
      return { what: 'broker', more: `${event.call} failed: ${event.reason}` }
    case 'broker.warning':
      return { what: 'broker', more: event.reason }
    case 'kick.failed':
      return { what: 'kick', more: `failed: ${shorten(event.reason, MAX_ERROR_CHARS)}` }
    case 'http.request':
      return {
        what: 'http',
        to: event.method,
        more: `${shorten(event.path)}  ${event.status} in ${toDuration(event.durationMs)}`,
      }
  }
}

function jobOf(what: string, { task, id }: { task: string; id: string }, more = ''): Line {
  return { what, to: task, id, more }
}

function lateness({ lateMs }: { lateMs: number }): string {
  return lateMs >= 1_000 ? `, ${toDuration(lateMs)} late` : ''
}

export function toTotals(totals: WorkerTotals): string {
  const { exchanges, commands, ...jobs } = totals
  const counts = Object.entries(jobs).filter(([name, count]) => count > 0 || name === 'succeeded')
  const spent = commands === undefined ? '' : `, ${commands} commands`
  return `${counts.map(([name, count]) => `${count} ${name}`).join(', ')} in ${exchanges} ${exchanges === 1 ? 'exchange' : 'exchanges'}${spent}`
}

/** One line, however long the text is and whatever it holds: also no control characters to play with the terminal. */
function shorten(text: string, maxChars = MAX_TEXT_CHARS): string {
  const flat = text.replace(/[\p{Cc}\s]+/gu, ' ').trim()
  return flat.length > maxChars ? `${flat.slice(0, maxChars - 1)}…` : flat
}

function colorOf({ kind }: TqEvent): (text: string) => string {
  if (kind === 'job.succeeded') return pc.green
  if (kind === 'job.failed' || kind === 'broker.failed') return pc.red
  if (/kick|ping|retrying|warning|unknown|late|released/.test(kind)) return pc.yellow
  return kind === 'http.request' ? pc.dim : pc.cyan
}

/** Local time of day: what a log beside it shows as well. */
function toClockTime(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8)
}
