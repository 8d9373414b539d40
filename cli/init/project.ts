/** What `tq init` makes: a project for one runtime and one broker. */
import type { OwnPackage } from '../package.ts'

export const BROKERS = ['redis', 'sqlite'] as const
export type BrokerName = (typeof BROKERS)[number]

export interface Project {
  /** Also of the app, of its package and of its Worker: lower case, digits and dashes. */
  readonly name: string
  readonly broker: BrokerName
  readonly own: OwnPackage
}

/** From each path to its text. */
export type Files = Readonly<Record<string, string>>

/** One runtime. A further one is a file in this folder and a line in `templates.ts`. */
export interface Template {
  /** Those that work there; the first one is what it is for. */
  readonly brokers: readonly [BrokerName, ...BrokerName[]]
  /** The files that are not the same on every runtime, package.json apart. */
  files(project: Project): Files
  readonly scripts: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  /** Variables that `.env.example` names beside those of every project, and what each is for. */
  readonly secrets: readonly (readonly [name: string, what: string])[]
  /** Beside what every project ignores. */
  readonly ignored: readonly string[]
  /** The commands to begin with, in their order, and what each does. */
  readonly steps: readonly (readonly [command: string, does: string])[]
  /** The rest of the README. */
  notes(project: Project): string
}

export const TYPESCRIPT = { typescript: '^7.0.2' } as const

/** Beside the jobs of production, whatever the environment names. */
export const DEV_DB = '.tq/tq.db'

export const NODE_TSCONFIG: Files = {
  'tsconfig.json': toJson({
    compilerOptions: {
      strict: true,
      noEmit: true,
      target: 'es2023',
      module: 'preserve',
      lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
      types: [],
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
    },
  }),
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** A name that npm, Cloudflare and a schedule's app all take, from that of a folder. */
export function toName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'tq-app' : name
}
