import assert from 'node:assert/strict'
import { type Broker, beatsOf, CANCELS, toHinted } from '../../../src/broker.ts'
import type { Case, Context } from '../subject.ts'
import { active, idsOf, job, jobs, lane, release, succeed, type TestLane } from '../verbs.ts'
import { remove, set } from './schedules.ts'

interface Ear {
  readonly heard: number
  /** Resolves with the first hint, or the first one after `forget`. */
  hint(): Promise<void>
  forget(): void
}

async function ear(broker: Broker, waiter: string): Promise<Ear> {
  assert.ok(broker.wake)
  let heard = 0
  let first = Promise.withResolvers<void>()
  await broker.wake.listen(waiter, () => {
    heard++
    first.resolve()
  })
  return {
    get heard() {
      return heard
    },
    hint: () => first.promise,
    forget: () => {
      first = Promise.withResolvers()
    },
  }
}

/** Hints come in order: once a later one has arrived, those before it have too, so that what was not heard was not sent. */
async function hintsHaveArrived(from: Broker, at: Broker, name: string): Promise<void> {
  const worker = lane(from, `${name}.1.0`)
  const waiting = await ear(at, name)
  await from.enqueue([job(name, { queue: name })])
  const held = await worker.claimOne({ queues: [name] })
  await at.get([name], { waiter: name, waitMs: 60_000 })
  await worker.exchange({ queues: [name], settle: [succeed(held)] })
  await waiting.hint()
}

async function waitingLanes(broker: Broker, count: number): Promise<{ lanes: TestLane[]; ears: Ear[] }> {
  const lanes = Array.from({ length: count }, (_, at) => lane(broker, `idle.${at}.0`))
  const ears = await Promise.all(lanes.map(({ id }) => ear(broker, id)))
  for (const one of lanes) await one.wait()
  return { lanes, ears }
}

const heardBy = (ears: readonly Ear[]) => ears.filter(({ heard }) => heard > 0).length

/** Workers do not register for it: whoever listens as `CANCELS` hears of a running job that is to be cancelled. */
const cancelHintCases = (open: (ctx: Context) => Promise<Broker>): Omit<Case, 'needs'>[] => [
  {
    name: 'whoever listens for cancellations is hinted when one is asked for of a running job, and not of one that waits',
    async run(ctx) {
      const asker = await open(ctx)
      await ctx.broker.enqueue([job('a job'), job('waiting')])
      await lane(ctx.broker).claimOne()
      const [one, other] = [await ear(ctx.broker, CANCELS), await ear(ctx.broker, CANCELS)]
      assert.deepEqual(await asker.cancel(['waiting']), ['cancelled'])
      await hintsHaveArrived(asker, ctx.broker, 'ping')
      assert.equal(heardBy([one, other]), 0)
      assert.deepEqual(await asker.cancel(['a job']), ['asked'])
      await Promise.all([one.hint(), other.hint()])
    },
  },
  {
    name: 'a hint of a cancellation names the job, or stands for any',
    async run(ctx) {
      const asker = await open(ctx)
      await ctx.broker.enqueue([job('a job')])
      await lane(ctx.broker).claimOne()
      const hinted = Promise.withResolvers<string | undefined>()
      await ctx.broker.wake?.listen(CANCELS, (_, id) => hinted.resolve(id))
      await asker.cancel(['a job'])
      assert.ok([toHinted('a job'), undefined].includes(await hinted.promise))
    },
  },
]

/** Beats do not register: whoever listens as the beats of an app hears of every change of its schedules. */
const beatHintCases = (open: (ctx: Context) => Promise<Broker>): Omit<Case, 'needs'>[] => [
  {
    name: 'every beat of an app is hinted when its schedules change, and again when they change once more',
    async run(ctx) {
      const changer = await open(ctx)
      const beats = [await ear(ctx.broker, beatsOf('shop 1')), await ear(ctx.broker, beatsOf('shop 1'))]
      for (const change of [set('a', { app: 'shop 1' }), remove('a', 1, 'shop 1')]) {
        for (const beat of beats) beat.forget()
        assert.deepEqual(await changer.setSchedules([change]), ['set'])
        await Promise.all(beats.map((beat) => beat.hint()))
      }
    },
  },
  {
    name: 'many schedules that change at once hint the beats of each app once',
    async run(ctx) {
      const changer = await open(ctx)
      const [one, two] = [await ear(ctx.broker, beatsOf('one')), await ear(ctx.broker, beatsOf('two'))]
      await changer.setSchedules(['a', 'b', 'c', 'd'].map((name, at) => set(name, { app: at < 3 ? 'one' : 'two' })))
      await Promise.all([one.hint(), two.hint()])
      await hintsHaveArrived(changer, ctx.broker, 'barrier')
      assert.deepEqual([one.heard, two.heard], [1, 1])
    },
  },
  {
    name: 'beats hear nothing of what changes nothing, nor of other apps; workers nothing of schedules',
    async run(ctx) {
      const changer = await open(ctx)
      await changer.setSchedules([set('a', { app: 'shop' })])
      const beat = await ear(ctx.broker, beatsOf('shop'))
      const { ears } = await waitingLanes(ctx.broker, 1)
      // What came before may be on its way still.
      await hintsHaveArrived(changer, ctx.broker, 'before')
      const before = beat.heard
      assert.deepEqual(
        await changer.setSchedules([set('a', { app: 'shop' }), set('b', { app: 'other' }), remove('c', 1, 'shop')]),
        ['existing', 'set', 'existing'],
      )
      await hintsHaveArrived(changer, ctx.broker, 'barrier')
      assert.deepEqual([beat.heard - before, heardBy(ears)], [0, 0])
    },
  },
  {
    name: 'a beat that has stopped listening leaves the others of its app listening',
    async run(ctx) {
      const changer = await open(ctx)
      let heard = 0
      const end = await ctx.broker.wake?.listen(beatsOf('shop'), () => {
        heard++
      })
      const other = await ear(ctx.broker, beatsOf('shop'))
      end?.()
      await changer.setSchedules([set('a', { app: 'shop' })])
      await other.hint()
      assert.equal(heard, 0)
    },
  },
]

type Producer = 'the same broker' | 'a second broker'

/** What wakes whom, whether the hint stays in this broker or crosses over to it, as between two processes. */
const hintCases = (producer: Producer): Case[] => {
  const open = async (ctx: Context) => (producer === 'a second broker' && ctx.open ? ctx.open() : ctx.broker)
  const cases: Omit<Case, 'needs'>[] = [
    {
      name: 'a lane that waits is hinted by an enqueue',
      async run(ctx) {
        const { lanes, ears } = await waitingLanes(ctx.broker, 1)
        await (await open(ctx)).enqueue([job('a')])
        await ears[0]?.hint()
        assert.equal((await lanes[0]?.claimOne())?.id, 'a')
      },
    },
    {
      name: 'a lane that waits is hinted again and again',
      async run(ctx) {
        const producer = await open(ctx)
        const { lanes, ears } = await waitingLanes(ctx.broker, 1)
        const [worker, waiting] = [lanes[0] as TestLane, ears[0] as Ear]
        for (let round = 0; round < 5; round++) {
          await producer.enqueue([job(`job-${round}`)])
          await waiting.hint()
          waiting.forget()
          const claimed = await worker.claimOne()
          await worker.exchange({ want: 1, waitMs: 60_000, settle: [succeed(claimed)] })
        }
      },
    },
    {
      name: 'a lane whose waiting exchange was sent again is hinted',
      async run(ctx) {
        const { lanes, ears } = await waitingLanes(ctx.broker, 1)
        await lanes[0]?.again()
        await (await open(ctx)).enqueue([job('a')])
        await ears[0]?.hint()
      },
    },
    {
      name: 'one job wakes one or two of the waiting lanes, not all',
      async run(ctx) {
        const producer = await open(ctx)
        const { ears } = await waitingLanes(ctx.broker, 6)
        await producer.enqueue([job('a')])
        await Promise.race(ears.map((waiting) => waiting.hint()))
        await hintsHaveArrived(producer, ctx.broker, 'barrier')
        assert.ok(heardBy(ears) >= 1 && heardBy(ears) <= 2, `expected 1 or 2 lanes, got ${heardBy(ears)}`)
      },
    },
    {
      name: 'a waiter for a job is hinted when it finishes',
      async run(ctx) {
        const other = await open(ctx)
        const worker = lane(other)
        const held = await active(other, worker, 'a')
        const waiting = await ear(ctx.broker, 'result.1')
        await ctx.broker.get(['a', 'nobody'], { waiter: 'result.1', waitMs: 60_000 })
        await worker.settle(succeed(held))
        await waiting.hint()
      },
    },
    {
      name: 'a lane that waits is hinted by a job that its worker gives back',
      async run(ctx) {
        const other = await open(ctx)
        const worker = lane(other)
        const held = await active(other, worker, 'a')
        const { ears } = await waitingLanes(ctx.broker, 1)
        await worker.settle(release(held))
        await ears[0]?.hint()
      },
    },
    {
      name: 'a lane that could only claim ahead is not hinted: a job goes to who can start it',
      async run(ctx) {
        const producer = await open(ctx)
        const { ears } = await waitingLanes(ctx.broker, 1)
        const busy = lane(ctx.broker, 'busy.1.0')
        const waiting = await ear(ctx.broker, busy.id)
        await busy.exchange({ want: 2, ahead: 2, waitMs: 60_000 })
        await producer.enqueue([job('a')])
        await ears[0]?.hint()
        await hintsHaveArrived(producer, ctx.broker, 'barrier')
        assert.equal(waiting.heard, 0)
      },
    },
    {
      name: 'a resumed queue wakes who waits for it',
      async run(ctx) {
        const other = await open(ctx)
        await other.enqueue([job('a')])
        await other.setPaused('default', true, 0)
        const { ears } = await waitingLanes(ctx.broker, 1)
        await other.setPaused('default', false, 1)
        await ears[0]?.hint()
      },
    },
    {
      name: 'a replayed job wakes who waits for its queue',
      async run(ctx) {
        const other = await open(ctx)
        await other.enqueue([job('a')])
        await other.cancel(['a'])
        const { ears } = await waitingLanes(ctx.broker, 1)
        await other.retry([{ id: 'a', epoch: (await other.get(['a']))[0]?.epoch ?? 0 }])
        await ears[0]?.hint()
      },
    },
  ]
  return [...cases, ...beatHintCases(open), ...cancelHintCases(open)].map((one) => ({
    ...one,
    name: producer === 'a second broker' ? `${one.name}, from a second broker` : one.name,
    needs: producer === 'a second broker' ? producer : 'wake',
  }))
}

export const wakeCases: readonly Case[] = [
  ...hintCases('the same broker'),
  ...hintCases('a second broker'),
  {
    name: 'a claim that leaves work wakes the next lane, until all the work is taken',
    needs: 'wake',
    async run({ broker }) {
      const { lanes, ears } = await waitingLanes(broker, 4)
      await broker.enqueue(jobs(4))
      const taken: string[] = []
      const working = lanes.map(async (one, at) => {
        await ears[at]?.hint()
        taken.push(...idsOf(await one.claim(1)))
      })
      await Promise.all(working)
      assert.deepEqual(taken.sort(), idsOf(jobs(4)))
    },
  },
  {
    name: 'a lane is hinted by nothing that concerns other queues',
    needs: 'wake',
    async run({ broker }) {
      const { ears } = await waitingLanes(broker, 1)
      await broker.enqueue([job('a', { queue: 'other' })])
      await hintsHaveArrived(broker, broker, 'barrier')
      assert.equal(heardBy(ears), 0)
    },
  },
  {
    name: 'a lane whose waiting time is over is not named: the hint goes to one that waits',
    needs: 'wake',
    async run({ broker, clock }) {
      const { ears } = await waitingLanes(broker, 3)
      await clock.advance(60_001)
      const waiting = lane(broker, 'fresh.1.0')
      const listening = await ear(broker, waiting.id)
      await waiting.wait()
      await broker.enqueue([job('a')])
      await listening.hint()
      await hintsHaveArrived(broker, broker, 'barrier')
      assert.equal(heardBy(ears), 0)
    },
  },
  {
    name: 'a lane that makes another exchange no longer waits',
    needs: 'wake',
    async run({ broker }) {
      const { lanes, ears } = await waitingLanes(broker, 1)
      await lanes[0]?.exchange()
      await broker.enqueue([job('a')])
      await hintsHaveArrived(broker, broker, 'barrier')
      assert.equal(heardBy(ears), 0)
    },
  },
  {
    name: 'who has stopped listening hears nothing more',
    needs: 'wake',
    async run({ broker }) {
      let heard = 0
      const worker = lane(broker)
      const end = await broker.wake?.listen(worker.id, () => {
        heard++
      })
      await worker.wait()
      end?.()
      await broker.enqueue([job('a')])
      await hintsHaveArrived(broker, broker, 'barrier')
      assert.equal(heard, 0)
    },
  },
]
