import type { Blobs } from '../src/blobs.ts'
import { Unsupported } from '../src/errors.ts'
import { findApp, loadApp } from './config.ts'

/** The blobs of the app that is found from here. It is loaded for the first one that is asked for: hardly any result is a blob. */
export function blobsOfApp(given: string | undefined): Blobs {
  let loading: Promise<Blobs> | undefined
  const blobs = () => {
    loading ??= load(given)
    return loading
  }
  return {
    put: async (key, text) => (await blobs()).put(key, text),
    get: async (key) => (await blobs()).get(key),
  }
}

async function load(given: string | undefined): Promise<Blobs> {
  const { app } = await loadApp(findApp(given))
  if (app.blobs) return app.blobs
  throw new Unsupported('an app with blobs, where the result is kept', 'one without', 'pass the --app of its workers')
}
