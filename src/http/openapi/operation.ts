/**
 * What the document says of a call. The types demand one for every route that `../routes.ts` names, of what it takes and answers: a route
 * without, and one that answers something else, do not compile.
 *
 * @module
 */
import type * as v from 'valibot'
import type { ProblemKind } from '../problem.ts'
import type { RequestHeader, ResponseHeader } from './headers.ts'

/** Those of a group of routes, by path and method. */
export type OperationsOf<Routes> = {
  readonly [Path in keyof Routes]: { readonly [Method in keyof Routes[Path]]: OperationOf<Routes[Path][Method]> }
}

/** Of which nothing is known but what all have. */
export interface Operation {
  /** The name of its function in a generated client. */
  readonly id: string
  readonly summary: string
  readonly description?: string
  /** The schema that the route checks its query by. */
  readonly query?: v.GenericSchema | undefined
  readonly headers?: readonly RequestHeader[]
  readonly body?: Body | undefined
  readonly answers: { readonly [Status in number]?: Answer }
  /** The kinds that no other call has, beside those that follow from its scope, its body and its broker. */
  readonly problems?: readonly ProblemKind[]
}

export interface Body<Json = unknown> {
  /** The schema that the route checks its body by. Left out: any JSON. */
  readonly schema?: v.GenericSchema<Json, unknown>
  /** Whether there has to be one. Default false. */
  readonly required?: boolean
  readonly examples: Readonly<Record<string, Json>>
}

export interface Answer<Json = unknown> {
  readonly summary: string
  /** Left out: no body. */
  readonly schema?: v.GenericSchema<Json>
  /** Default `application/json`. */
  readonly type?: string
  readonly headers?: readonly ResponseHeader[]
}

type Input<R> = R extends { input: infer I } ? I : never
type Output<R> = R extends { outputFormat: 'json'; output: infer O } ? O : unknown
type Status<R> = R extends { status: infer S extends number } ? S : never

type OperationOf<R> = Operation & {
  readonly query?: 'query' extends keyof Input<R> ? v.GenericSchema<NonNullable<Input<R>['query']>, unknown> : never
  readonly body?: 'json' extends keyof Input<R> ? Body<Input<R>['json']> : never
  readonly answers: { readonly [S in Status<R>]: Answer<Output<R>> }
} & ('query' extends keyof Input<R> ? { readonly query: unknown } : object) &
  ('json' extends keyof Input<R> ? { readonly body: unknown } : object)
