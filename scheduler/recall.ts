const MAX_RECALLED = 200

/** What is known under the key, or else is created and known from now on. What was asked for longest ago is forgotten first. */
export function recall<T>(known: Map<string, T>, key: string, create: () => T): T {
  const found = known.get(key) ?? create()
  known.delete(key)
  known.set(key, found)
  for (const oldest of known.keys()) if (known.size > MAX_RECALLED) known.delete(oldest)
  return found
}
