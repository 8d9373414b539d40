import { createClient } from '../../src/client/client.ts'
import { appArg, commonArgs, secondsAsMs } from '../args.ts'
import { blobsOfApp } from '../blobs.ts'
import { withBroker } from '../broker.ts'
import { command } from '../command.ts'
import { printResult } from '../result.ts'

export default command({
  name: 'result',
  description: "Print a job's result",
  examples: [
    'tq result 019a5b7e-1c3d-7000-8000-3f2a6c1d9e44 --wait 10',
    'tq result "$ID" --json                 the whole job',
  ],
  args: {
    id: { type: 'positional', required: true, description: "The job's id" },
    wait: { type: 'string', description: 'Wait so long for it to finish (default 0)', valueHint: 's' },
    ...appArg,
    ...commonArgs,
  },
  async run({ id, wait, app, db, json = false }) {
    const waitMs = secondsAsMs('wait', wait) ?? 0
    return withBroker({ db, mustExist: true }, (broker) =>
      printResult(createClient({ broker, blobs: blobsOfApp(app) }).job(id), { json, waitMs }),
    )
  },
})
