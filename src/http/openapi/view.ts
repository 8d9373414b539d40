/** What the schemas of answers are made of. */
import * as v from 'valibot'
import { JOB_STATES } from '../../words.ts'

/** Of a field that may be left out the value without `undefined`, which JSON does not have. */
type FieldsOf<T> = { [Key in keyof T]-?: v.GenericSchema<Exclude<T[Key], undefined>> }
type Nothing<Key extends PropertyKey> = { [Only in Key]: never }

/** An object of exactly the fields of a type: the compiler refuses one that is missing here, and one that is more. */
export const view =
  <T extends object>() =>
  <Fields extends FieldsOf<T>>(fields: Fields & Nothing<Exclude<keyof Fields, keyof T>>): v.GenericSchema<T> =>
    v.object(fields) as unknown as v.GenericSchema<T>

export const text = v.string()
export const number = v.number()
export const flag = v.boolean()
export const whole = v.pipe(v.number(), v.integer())
export const count = v.pipe(v.number(), v.integer(), v.minValue(0))
export const ms = v.pipe(v.number(), v.minValue(0))
export const msOrNull = v.nullable(ms)
export const textOrNull = v.nullable(text)
export const anything = v.unknown()
export const state = v.picklist(JOB_STATES)
export const outcome = <const Words extends readonly string[]>(...words: Words) => v.picklist(words)
