import { type Client, defineApp, defineTask } from 'tq-edge'
import * as v from 'valibot'

const mail = defineTask({ name: 'mail', input: v.object({ to: v.string() }), run: ({ to }) => to.length })
const app = defineApp({ tasks: [mail, defineTask({ name: 'tidy', run: () => {} })] })

/** Compiled, never run: what is wrong in it is wrong at compile time. */
export async function types(tq: Client<typeof app>): Promise<void> {
  const length: number = await (await tq.enqueue('mail', { to: 'a' })).result()
  await tq.enqueue('tidy')
  await tq.enqueueMany([{ task: 'tidy' }, { task: 'mail', input: { to: 'a' } }])
  // @ts-expect-error there is no such task
  await tq.enqueue('mial', { to: 'a' })
  // @ts-expect-error the input is missing
  await tq.enqueue('mail')
  // @ts-expect-error the input is of another type
  await tq.enqueue('mail', { to: length })
  // @ts-expect-error the result is a number
  const text: string = await (await tq.enqueue('mail', { to: 'a' })).result()
  // @ts-expect-error the input is missing
  await tq.enqueueMany([{ task: 'mail' }])
  // @ts-expect-error there is no such option
  await tq.enqueue('tidy', undefined, { delay: text })
}
