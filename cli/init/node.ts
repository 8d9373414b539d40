import { type Host, hostFiles, hostNotes } from './host.ts'
import { DEV_DB, NODE_TSCONFIG, type Template, TYPESCRIPT } from './project.ts'

const host: Host = {
  tq: ['node_modules/.bin/tq'],
  image: 'node:24-slim',
  install: 'npm install --omit=dev',
  user: 'node',
}

export const node: Template = {
  brokers: ['redis', 'sqlite'],
  scripts: { dev: `tq dev --db ${DEV_DB}`, serve: 'tq serve', work: 'tq work --beat', check: 'tsc' },
  devDependencies: TYPESCRIPT,
  secrets: [],
  ignored: [],
  files: (project) => ({ ...NODE_TSCONFIG, ...hostFiles(host, project) }),
  steps: [
    ['npm install', ''],
    ['npm run dev', `REST, worker and beat in one process, jobs in ${DEV_DB}; it prints a curl to try`],
    ['npm run work', 'a worker and the beat, with what the environment names; `npm run serve` is the REST API'],
  ],
  notes: hostNotes,
}
