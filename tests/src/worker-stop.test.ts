import { expect, test } from 'bun:test'
import { defineTask } from 'tq-edge'
import { settled } from '../support/clock.ts'
import { until } from '../support/until.ts'
import { createBench, createGate, LEASE_MS, withExchange } from '../support/worker-bench.ts'

function heldTask() {
  const gate = createGate()
  const signals: AbortSignal[] = []
  const task = defineTask({
    name: 'held',
    run(_input, job) {
      signals.push(job.signal)
      return gate.pass()
    },
  })
  return { gate, signals, task }
}

test('a worker that is stopped lets running jobs finish and claims nothing more', async () => {
  const bench = createBench()
  const { gate, signals, task } = heldTask()
  const ids = [await bench.enqueue('held'), await bench.enqueue('held')]
  const worker = bench.start([task], { concurrency: 1 })
  await until('a job to run', () => gate.waiting === 1)
  worker.stop()
  await bench.clock.advance(9_000)
  expect(signals[0]?.aborted).toBe(false)
  gate.open()
  const { succeeded, released } = await worker.done
  expect([succeeded, released, gate.waiting]).toEqual([1, 0, 0])
  expect((await bench.read(ids[1] as string)).state).toBe('queued')
})

test('what has not finished when the grace is over goes back at once, uncounted, with its signal aborted', async () => {
  const bench = createBench()
  const { gate, signals, task } = heldTask()
  const ids = [await bench.enqueue('held'), await bench.enqueue('held')]
  const worker = bench.start([task])
  await until('both jobs to run', () => gate.waiting === 2)
  worker.stop({ graceMs: 3_000 })
  await bench.clock.advance(2_999)
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
  await bench.clock.advance(1)
  expect((await worker.done).released).toBe(2)
  for (const id of ids) {
    const { state, attempts, lost } = await bench.read(id)
    expect([state, attempts, lost]).toEqual(['queued', 0, 0])
  }
  expect(signals[0]?.reason).toMatchObject({ name: 'JobAborted', reason: 'shutdown' })
})

test('a handler that goes on after its job was given back settles nothing', async () => {
  const bench = createBench()
  const { gate, task } = heldTask()
  const id = await bench.enqueue('held')
  const worker = bench.start([task])
  await until('the job to run', () => gate.waiting === 1)
  worker.stop({ graceMs: 0 })
  await worker.done
  gate.open()
  await settled()
  expect((await bench.read(id)).state).toBe('queued')
  expect(bench.said('job.late')).toEqual([])
})

test('a second stop with no grace forces', async () => {
  const bench = createBench()
  const { gate, task } = heldTask()
  const id = await bench.enqueue('held')
  const worker = bench.start([task])
  await until('the job to run', () => gate.waiting === 1)
  worker.stop({ graceMs: 60_000 })
  await settled()
  expect((await bench.read(id)).state).toBe('active')
  worker.stop({ graceMs: 0 })
  expect((await worker.done).released).toBe(1)
  expect((await bench.read(id)).state).toBe('queued')
})

test('jobs that arrive after the stop are given back unstarted', async () => {
  const reply = Promise.withResolvers<void>()
  const bench = createBench((broker) =>
    withExchange(broker, async (request, send) => {
      const answer = await send()
      if (request.want > 0) await reply.promise
      return answer
    }),
  )
  const { gate, task } = heldTask()
  const id = await bench.enqueue('held')
  const worker = bench.start([task])
  await bench.reaches(id, 'active')
  worker.stop({ graceMs: 0 })
  await settled()
  reply.resolve()
  const { released } = await worker.done
  expect([released, gate.waiting]).toEqual([1, 0])
  const { state, attempts, lost } = await bench.read(id)
  expect([state, attempts, lost]).toEqual(['queued', 0, 0])
})

test('a worker that is stopped while it starts to listen ends, and listens no longer', async () => {
  const listening = Promise.withResolvers<void>()
  let open = 0
  const bench = createBench((broker) => ({
    ...broker,
    wake: {
      async listen() {
        await listening.promise
        open++
        return () => void open--
      },
    },
  }))
  const worker = bench.start([heldTask().task])
  await settled()
  worker.stop()
  await settled()
  listening.resolve()
  await worker.done
  await settled()
  expect(open).toBe(0)
})

test('a worker that is stopped before it runs does nothing', async () => {
  const bench = createBench()
  const { task } = heldTask()
  const first = bench.start([task])
  first.stop({ graceMs: 0 })
  expect((await first.done).succeeded).toBe(0)
  first.stop()
})

test('a worker stops although its broker is gone', async () => {
  const bench = createBench((broker) =>
    withExchange(broker, async (request, send) => {
      if (request.seq > 1) throw new Error('gone')
      return send()
    }),
  )
  const { gate, task } = heldTask()
  await bench.enqueue('held')
  const worker = bench.start([task], { lanes: 1 })
  await until('the job to run', () => gate.waiting === 1)
  worker.stop({ graceMs: 0 })
  await bench.clock.advance(LEASE_MS)
  await worker.done
})

test('a worker that is stopped by who hears of a release gives each job back once', async () => {
  const bench = createBench()
  await bench.enqueue('nobody')
  let released = 0
  const worker = bench.start([defineTask({ name: 'known', run: () => {} })], {
    onEvent(event) {
      if (event.kind !== 'job.released') return
      released++
      worker.stop()
    },
  })
  expect((await worker.done).released).toBe(1)
  expect(released).toBe(1)
})
