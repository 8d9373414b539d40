import { InvalidOption } from './errors.ts'

const MAX_URL_CHARS = 2_000

/** Throws `InvalidOption` for what is no address of ours to call; it is not repeated, since what is in it may be a secret. */
export function addressOf(option: string, url: string): URL {
  const expected = `an address of at most ${MAX_URL_CHARS} characters (https://...), without user and password`
  const error = (got: string) => new InvalidOption(option, expected, got)
  if (typeof url !== 'string' || !URL.canParse(url)) throw error('something else')
  const address = new URL(url)
  const { protocol, username, password, href } = address
  if (!/^https?:$/.test(protocol)) throw error(`one of ${protocol}`)
  if (username || password) throw error('one with them')
  if (Math.max(url.length, href.length) > MAX_URL_CHARS) throw error(`${href.length} characters`)
  return address
}

/** All that may be told of an address. */
export const serverOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : 'no address')
