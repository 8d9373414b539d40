import { UnusableStore } from '../../../src/errors.ts'

/** Rises with every change of the keys, or of what is in them. */
export const FORMAT = 4
/** The oldest format whose readers and writers this one still works beside. Rises only for a breaking change. */
export const COMPATIBLE_FORMAT = 1

/**
 * The head of a script: where its key is `{prefix}:meta` and not the prefix alone, it looks for the format there before anything
 * else, and notes ours where there is none. It answers what it has found where that is not compatible.
 */
export const CHECK_FORMAT = `
if KEYS[1] ~= prefix then
  local found = redis.pcall('GET', KEYS[1])
  ${'' /* Where this may not be written, nothing else may, or it is noted the next time. */}
  if not found then redis.pcall('SET', KEYS[1], '${FORMAT}|${COMPATIBLE_FORMAT}')
  else
    local compatible = type(found) == 'string' and string.match(found, '^%d+|(%d+)$')
    if not compatible or tonumber(compatible) > ${FORMAT} then return { '', calls, compatible and found or '' } end
  end
end
`

/** Throws `UnusableStore` for keys that are not of a format of ours; `found` is what is noted of them. */
export function requireFormat(prefix: string, found: unknown): void {
  const [, format, compatible] = /^(\d+)\|(\d+)$/.exec(String(found)) ?? []
  if (compatible && Number(compatible) <= FORMAT) return
  throw new UnusableStore(
    `the keys under ${prefix}`,
    `of format ${FORMAT} or one compatible with it`,
    compatible ? `format ${format}, compatible back to ${compatible}` : `something else than a format in ${prefix}meta`,
    'update tq-edge in this process, or use another prefix',
  )
}
