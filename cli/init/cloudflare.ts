import { DEV_DB, NODE_TSCONFIG, type Template, TYPESCRIPT } from './project.ts'

export const cloudflare: Template = {
  brokers: ['redis'],
  scripts: {
    dev: `tq dev --db ${DEV_DB}`,
    preview: 'wrangler dev --test-scheduled',
    deploy: 'wrangler deploy',
    check: 'tsc',
  },
  devDependencies: { ...TYPESCRIPT, wrangler: '^4.86.0' },
  secrets: [],
  ignored: ['.wrangler'],
  files: ({ name }) => ({
    ...NODE_TSCONFIG,
    'worker.ts': `/** The REST producer, which also runs what it takes; with each minute's cron trigger a beat and a drain. */
import { toWorker } from 'tq-edge/cloudflare'
import app from './tq.config.ts'

export default toWorker(app, { kick: true })
`,
    'wrangler.toml': `# Secrets are set by \`wrangler secret put\`, never here: UPSTASH_REDIS_REST_TOKEN, and TQ_TOKENS (bearer tokens of callers,
# separated by commas).
name = "${name}"
main = "worker.ts"
compatibility_date = "2026-04-01"

[triggers]
crons = ["* * * * *"]

[vars]
UPSTASH_REDIS_REST_URL = "https://your-database.upstash.io"

# Says which of two versions is the newer one: an older Worker never overwrites the schedules of a newer one.
[version_metadata]
binding = "CF_VERSION_METADATA"
`,
  }),
  steps: [
    ['npm install', ''],
    ['npm run dev', `REST, worker and beat in one process, jobs in ${DEV_DB}; it prints a curl to try`],
    ['npm run deploy', 'to Cloudflare'],
  ],
  notes: () => `## Before the first deploy

Write the address of your Redis into \`wrangler.toml\`, then set the secrets:

\`\`\`sh
npx wrangler secret put UPSTASH_REDIS_REST_TOKEN
npx wrangler secret put TQ_TOKENS   # who may call: long random tokens, separated by commas
\`\`\`

To see the Worker itself on this machine, copy \`.env.example\` to \`.env\`, fill it in, and \`npm run preview\`;
\`curl "localhost:8787/__scheduled?cron=*+*+*+*+*"\` is its cron trigger.

## Jobs that take longer

A Worker ends with its limits. For longer jobs run a worker on any host, on the same Redis: \`npx tq-edge work\`. The guide in
\`node_modules/tq-edge/docs/edge.md\` says which way when.
`,
}
