/**
 * The environment of a machine on which nothing is set up: no binaries of this checkout, no settings of a run that this one
 * is part of.
 */
export function freshEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value = '']) =>
      /^(npm_|TQ_|NODE_|BUN_|INIT_CWD|UPSTASH_|KV_)/i.test(name)
        ? []
        : [[name, name === 'PATH' ? withoutOwnBinaries(value) : value]],
    ),
  )
}

function withoutOwnBinaries(path: string): string {
  return path
    .split(':')
    .filter((folder) => !folder.includes('node_modules'))
    .join(':')
}
