import { type Host, hostFiles, hostNotes } from './host.ts'
import { DEV_DB, NODE_TSCONFIG, type Template, TYPESCRIPT } from './project.ts'

const host: Host = {
  tq: ['bun', 'node_modules/.bin/tq'],
  image: 'oven/bun:1-slim',
  install: 'bun install --production',
  user: 'bun',
}
const tq = host.tq.join(' ')

export const bun: Template = {
  brokers: ['redis', 'sqlite'],
  scripts: { dev: `${tq} dev --db ${DEV_DB}`, serve: `${tq} serve`, work: `${tq} work --beat`, check: 'tsc' },
  devDependencies: TYPESCRIPT,
  secrets: [],
  ignored: [],
  files: (project) => ({ ...NODE_TSCONFIG, ...hostFiles(host, project) }),
  steps: [
    ['bun install', ''],
    ['bun run dev', `REST, worker and beat in one process, jobs in ${DEV_DB}; it prints a curl to try`],
    ['bun run work', 'a worker and the beat, with what .env says; `bun run serve` is the REST API'],
  ],
  notes: hostNotes,
}
