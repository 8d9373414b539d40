/** What this process runs on, as `tq queues` shows it. */
export function runtimeName(): string {
  const { bun, deno, node } = process.versions as Record<string, string | undefined>
  if (bun) return `bun ${bun}`
  return deno ? `deno ${deno}` : `node ${node}`
}
