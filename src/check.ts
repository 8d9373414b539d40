import type { Broker } from './broker.ts'
import { isTqError, toError } from './errors.ts'
import type { OnEvent } from './events.ts'

/**
 * Has a broker look at its store once, for who is about to use it for long; what is found is told as events.
 *
 * Answers the `UnusableStore` where there is one. A look that fails otherwise has found nothing: the calls after it will say more.
 */
export async function checkBroker(broker: Broker, onEvent: OnEvent | undefined): Promise<Error | undefined> {
  try {
    for (const reason of (await broker.check?.()) ?? []) onEvent?.({ kind: 'broker.warning', reason })
    return undefined
  } catch (thrown) {
    const error = toError(thrown)
    return isTqError(error, 'UnusableStore') ? error : undefined
  }
}
