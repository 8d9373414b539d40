/**
 * Runs the contract suite without a test runner, on whatever runtime this is started with, and prints what came of it:
 * `<runtime> <version>: N passed, N failed`. Exits with 1 when anything failed.
 */
import { brokerCases } from './broker.ts'
import { sqliteInFile, sqliteInMemory } from './sqlite.ts'
import { runCase } from './subject.ts'

interface Runtime {
  readonly Bun?: { readonly version: string }
  readonly Deno?: { readonly version: { readonly deno: string } }
}

function runtimeName(): string {
  const { Bun, Deno } = globalThis as Runtime
  if (Bun) return `bun ${Bun.version}`
  return Deno ? `deno ${Deno.version.deno}` : `node ${process.versions.node}`
}

// What waits for a file watcher alone keeps no process alive: Node would end in the middle of a case.
const alive = setInterval(() => {}, 1_000)
const totals = { passed: 0, failed: 0 }
for (const [broker, create] of Object.entries({ 'sqlite in memory': sqliteInMemory, 'sqlite in a file': sqliteInFile }))
  for (const one of brokerCases) {
    try {
      if ((await runCase(one, create)) === null) totals.passed++
    } catch (error) {
      totals.failed++
      console.log(`failed: ${broker}: ${one.name}\n${error instanceof Error ? error.stack : error}`)
    }
  }
clearInterval(alive)
console.log(`${runtimeName()}: ${totals.passed} passed, ${totals.failed} failed`)
process.exitCode = totals.failed > 0 ? 1 : 0
