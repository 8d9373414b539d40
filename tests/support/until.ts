import { settled } from './clock.ts'

/** Lets everything under way go on until `condition` holds; virtual time stands still. Throws when it comes to rest without. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (await condition()) return
    await settled()
  }
  throw new Error(`expected ${what}, and nothing moved any more`)
}
