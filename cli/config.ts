import { existsSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { App } from '../src/app.ts'
import { describe, toError } from '../src/errors.ts'
import { AppNotFound, BrokenApp, NotAnApp } from './errors.ts'
import { type ImportFile, importFile, type Module } from './import-file.ts'
import { syntaxPlaceOf } from './syntax-place.ts'

const CONFIG_NAMES = ['tq.config.ts', 'tq.config.js', 'tq.config.mjs'] as const

export interface LoadedApp {
  readonly app: App
  readonly file: string
  /** When the file was last changed: the version of its schedules. */
  readonly stampMs: number
  readonly example: AppExample
}

/** What `tq dev` shows how to enqueue: `export const example = { task, input }`, `export const exampleFile = './x.json'`. */
export interface AppExample {
  readonly task?: string
  readonly input?: unknown
  readonly file?: string
}

/** The app's file: the one given (or in the folder given), else the first of this folder and those above. Throws `AppNotFound`. */
export function findApp(given: string | undefined, cwd: string = process.cwd()): string {
  const found = given === undefined ? findUpward(cwd) : findAt(resolve(cwd, given))
  if (found) return found
  if (given === undefined) throw new AppNotFound(`${cwd} or a folder above`, 'write one, or pass --app <path>')
  throw new AppNotFound(given, existsSync(resolve(cwd, given)) ? 'name the file itself' : 'there is no such path')
}

/** The same, but undefined where nothing was given and nothing is found. */
export function findAppIfAny(given: string | undefined, cwd: string = process.cwd()): string | undefined {
  return given === undefined ? findUpward(cwd) : findApp(given, cwd)
}

function findUpward(folder: string): string | undefined {
  const found = findAt(folder)
  if (found || dirname(folder) === folder) return found
  return findUpward(dirname(folder))
}

function findAt(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) return CONFIG_NAMES.map((name) => join(path, name)).find((file) => existsSync(file))
  return stat ? path : undefined
}

/** Loads an app. Throws `BrokenApp` for a file that does not load and says where, `NotAnApp` for one that exports none. */
export async function loadApp(file: string, load: ImportFile = importFile): Promise<LoadedApp> {
  const stampMs = Math.round(statSync(file).mtimeMs)
  const module = await load(file).catch((error: unknown) => {
    throw toBrokenApp(file, error)
  })
  const exported = module.default
  if (!isApp(exported)) throw new NotAnApp(shortPath(file), describe(exported))
  return { app: exported, file, stampMs, example: exampleOf(module, file) }
}

/** By its shape: the app may come from another copy of the package than ours. */
function isApp(value: unknown): value is App {
  const { name, tasks, schedules } = (value ?? {}) as Partial<App>
  return typeof name === 'string' && tasks instanceof Map && Array.isArray(schedules)
}

function exampleOf({ example, exampleFile }: Module, file: string): AppExample {
  const { task, input } = (typeof example === 'object' && example ? example : {}) as { task?: unknown; input?: unknown }
  return {
    ...(typeof task === 'string' ? { task } : {}),
    ...(input === undefined ? {} : { input }),
    ...(typeof exampleFile === 'string' ? { file: resolve(dirname(file), exampleFile) } : {}),
  }
}

function toBrokenApp(file: string, thrown: unknown): BrokenApp {
  const place = syntaxPlaceOf(thrown)
  if (place) {
    const where = `${shortPath(place.file)}:${place.line}:${place.column}`
    return new BrokenApp(shortPath(file), `a syntax error (${place.message})`, where, { cause: thrown })
  }
  const error = toError(thrown)
  const message = error.message.split('\n')[0]?.replace(GENERATION, '$1')
  return new BrokenApp(shortPath(file), `${error.name} (${message})`, frameOf(error, dirname(file)), { cause: thrown })
}

/** A reloaded module's query, which no user has written. */
const GENERATION = /(\.[cm]?[jt]sx?)\?\d+/g

/** Where the user's own code threw: the first frame below the app's folder that is no package's. */
function frameOf({ stack = '', message }: Error, folder: string): string | undefined {
  const frames = `${message}\n${stack}`.matchAll(/(?:file:\/\/)?(\/[^\s()?]+)(?:\?[^\s:]*)?:(\d+):(\d+)/g)
  for (const [, file = '', line, column] of frames)
    if (file.startsWith(folder) && !file.includes('/node_modules/')) return `${shortPath(file)}:${line}:${column}`
  return undefined
}

/** As short as a path gets that still works from the current folder. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short !== '' && short.length < path.length ? short : path
}
