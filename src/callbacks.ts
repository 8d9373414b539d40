/**
 * Callbacks: URLs that are told, by a signed request, how a job has ended. In the very step in which it ends the broker makes a job of it,
 * which a worker sends: with the retries of any job, and kept where it fails for good.
 *
 * @module
 */
import { addressOf } from './address.ts'

export interface Callbacks {
  /** Told once the job has succeeded. */
  readonly onSuccess?: string | undefined
  /** Told once the job has failed for good, or was dropped from a full queue; not when somebody cancels it. */
  readonly onFailure?: string | undefined
}

export type CallbackName = keyof Callbacks

/** Those of tasks, by the task's name. */
export type TaskCallbacks = Readonly<Record<string, Callbacks>>

/** The task of the jobs that tell; no app has one of that name. */
export const CALLBACK_TASK = 'tq.callback'

/** A URL as brokers keep it: no character that ends a text in JSON or a field of a record. */
export const CALLBACK_URL: RegExp = /^https?:\/\/[!#-[\]-{}~]{1,2000}$/

/** Throws `InvalidOption` for what is no address; it is not repeated, since what is in it may be a secret. */
export function toCallbackUrl(option: string, url: string | undefined): string | undefined {
  if (url === undefined) return undefined
  // Encoded it may be too long.
  return addressOf(option, addressOf(option, url).href.replace(/["|\\]/g, encodeURIComponent)).href
}

/** Whether one that others have written can be called: what no request could be made of would be tried for three days. */
export function isCallbackUrl(text: string): boolean {
  try {
    return toCallbackUrl('a callback', text) !== undefined
  } catch {
    return false
  }
}

/** The ends of a job that are told: of which job, and of which of its runs. */
export interface ToldEnd {
  readonly job: string
  readonly name: CallbackName
  readonly epoch: number
}

const ID = /^(.+):(onSuccess|onFailure):(\d+)$/s

/** What a callback's id says; the same for every copy of the step that has made it. Null for an id that no broker gives. */
export function toldBy(id: string): ToldEnd | null {
  const [, job, name, epoch] = ID.exec(id) ?? []
  return job === undefined ? null : { job, name: name as CallbackName, epoch: Number(epoch) }
}
