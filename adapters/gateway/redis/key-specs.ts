/**
 * Where the keys of a command are, as Redis itself says it of each command in `COMMAND` (key specifications, since 7.0).
 *
 * What is found is never less than what Redis takes for a key. So an option that stands twice is not looked into: of two `STORE`s
 * Redis obeys the last one, and its specification is about the first.
 */
import { type Command, upper } from '../protocol/command.ts'
import type { Reply } from '../protocol/encoding.ts'

export interface KeySpec {
  /** Its first argument: at a place, or behind a word. */
  readonly begin: { readonly index: number } | { readonly keyword: string; readonly from: number }
  readonly find: Range | Counted
}

interface Range {
  /** Behind the first one, or where negative from the end on. */
  readonly last: number
  readonly step: number
  /** Only so much of what follows are keys: 2 is the half. */
  readonly limit: number
}

interface Counted {
  /** Where the number of keys is and where they start, both behind the first argument. */
  readonly countAt: number
  readonly firstAt: number
  readonly step: number
}

/** What Redis says of one place of keys; `undefined` where it does not know itself. */
export function toKeySpec(reply: Reply): KeySpec | undefined {
  const spec = toFields(reply)
  const begin = toTyped(spec.get('begin_search'))
  const find = toTyped(spec.get('find_keys'))
  const isWhole = !toTexts(spec.get('flags')).some((flag) => flag === 'incomplete' || flag === 'not_key')
  const from = toBegin(begin)
  const keys = toFind(find)
  return isWhole && from && keys ? { begin: from, find: keys } : undefined
}

/** The keys of a command; `undefined` where they cannot be told. */
export function keysOf(specs: readonly KeySpec[], command: Command): Command | undefined {
  const keys: Command = []
  for (const { begin, find } of specs) {
    const starts = 'index' in begin ? [begin.index] : behind(begin.keyword, begin.from, command)
    if (starts.length > 1) return undefined
    for (const first of starts) {
      const places = 'last' in find ? inRange(find, first, command) : counted(find, first, command)
      if (!places) return undefined
      for (let at = places.first; at <= places.last; at += places.step) keys.push(command[at] as string | Buffer)
    }
  }
  return keys
}

interface Places {
  readonly first: number
  readonly last: number
  readonly step: number
}

function behind(keyword: string, from: number, command: Command): readonly number[] {
  const places: number[] = []
  for (let at = from; at < command.length; at++) if (upper(command[at]) === keyword) places.push(at + 1)
  return places
}

function inRange({ last, step, limit }: Range, first: number, { length }: Command): Places | undefined {
  const fromEnd = limit <= 1 ? length + last : first + Math.floor((length - first) / limit) + last
  return within({ first, last: last >= 0 ? first + last : fromEnd, step }, length)
}

function counted({ countAt, firstAt, step }: Counted, first: number, command: Command): Places | undefined {
  const count = String(command[first + countAt] ?? '')
  if (!/^\d{1,9}$/.test(count)) return undefined
  const start = first + firstAt
  if (Number(count) === 0) return { first: start, last: start - 1, step }
  return within({ first: start, last: start + (Number(count) - 1) * step, step }, command.length)
}

function within(places: Places, length: number): Places | undefined {
  const { first, last, step } = places
  return first >= 1 && last >= first && last < length && step >= 1 ? places : undefined
}

function toBegin({ type, spec }: Typed): KeySpec['begin'] | undefined {
  const [index, from] = numbersOf(spec, 'index', 'startfrom')
  if (type === 'index') return index === undefined ? undefined : { index }
  if (type !== 'keyword' || from === undefined) return undefined
  // What counts from the end may as well stand anywhere: more is looked at, never less.
  return { keyword: upper(textOf(spec.get('keyword'))), from: Math.max(1, from) }
}

function toFind({ type, spec }: Typed): KeySpec['find'] | undefined {
  if (type === 'range') {
    const [last, step, limit] = numbersOf(spec, 'lastkey', 'keystep', 'limit')
    return last === undefined || step === undefined || limit === undefined ? undefined : { last, step, limit }
  }
  if (type !== 'keynum') return undefined
  const [countAt, firstAt, step] = numbersOf(spec, 'keynumidx', 'firstkey', 'keystep')
  return countAt === undefined || firstAt === undefined || step === undefined ? undefined : { countAt, firstAt, step }
}

function numbersOf(spec: ReadonlyMap<string, Reply>, ...fields: readonly string[]): (number | undefined)[] {
  return fields.map((field) => {
    const text = textOf(spec.get(field))
    return /^-?\d{1,9}$/.test(text) ? Number(text) : undefined
  })
}

interface Typed {
  readonly type: string
  readonly spec: ReadonlyMap<string, Reply>
}

function toTyped(reply: Reply | undefined): Typed {
  const fields = toFields(reply)
  return { type: textOf(fields.get('type')), spec: toFields(fields.get('spec')) }
}

/** A map as RESP2 has it: names and values in turns. */
export function toFields(reply: Reply | undefined): ReadonlyMap<string, Reply> {
  const fields = new Map<string, Reply>()
  const list: readonly Reply[] = Array.isArray(reply) ? reply : []
  for (let at = 0; at + 1 < list.length; at += 2) fields.set(textOf(list[at]), list[at + 1] as Reply)
  return fields
}

export function toTexts(reply: Reply | undefined): readonly string[] {
  return Array.isArray(reply) ? reply.map(textOf) : []
}

export function textOf(reply: Reply | undefined): string {
  return typeof reply === 'string' || Buffer.isBuffer(reply) ? String(reply) : ''
}
