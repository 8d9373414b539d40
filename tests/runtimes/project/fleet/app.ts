/** An app whose handler tells a ledger who runs which job, and ends once the ledger answers. Nothing but Web APIs. */
import { type App, defineApp, defineTask } from 'tq-edge'
import * as v from 'valibot'

/** Short, for those who are killed; long enough for a busy machine. */
export const LEASE_MS = 5_000

/** Resolves each job to the member that ran it. */
export function fleetApp(member: string): App {
  const tell = defineTask({
    name: 'tell',
    input: v.object({ ledgerUrl: v.string() }),
    async run({ ledgerUrl }, { id, signal }) {
      const { ok, status } = await fetch(ledgerUrl, { method: 'POST', body: JSON.stringify({ id, member }), signal })
      if (!ok) throw new Error(`expected the ledger to take it, got ${status}`)
      return member
    },
  })
  return defineApp({ name: 'fleet', tasks: [tell] })
}
