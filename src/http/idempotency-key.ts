/** A String of RFC 8941, or as most clients send it: without the quotes. No list, which two headers would be. */
const KEY = /^(?:"((?:[ !#-[\]-~]|\\["\\]){1,255})"|([!#-+\--:<-[\]-~]{1,255}))$/

export const KEY_FORM =
  'expected one Idempotency-Key of 1 to 255 printable characters of ASCII, in quotes or without quotes, commas, semicolons, backslashes and spaces'

/** The key that a header `Idempotency-Key` says, `undefined` for what is none. */
export function toKey(header: string): string | undefined {
  const [, quoted, bare] = KEY.exec(header) ?? []
  return bare ?? quoted?.replace(/\\(.)/g, '$1')
}
