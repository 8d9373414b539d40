const MAX_RECALLED = 200

/** What is known under the key, or else is created and known from now on. Of more than `most`, what was asked for longest ago is forgotten. */
export function recall<T>(known: Map<string, T>, key: string, create: () => T, most: number = MAX_RECALLED): T {
  const found = known.get(key) ?? create()
  known.delete(key)
  known.set(key, found)
  for (const oldest of known.keys()) {
    if (known.size <= most) break
    known.delete(oldest)
  }
  return found
}
