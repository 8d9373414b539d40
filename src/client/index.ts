/** The producer's client (`tq-edge/client`). */
export { createLink, type EnqueueLink, type LinkOptions, type ReadLink } from '../links.ts'
export {
  type Client,
  type ClientOptions,
  createClient,
  type EnqueueOptions,
  type EnqueueRequest,
  type JobHandle,
} from './client.ts'
export { type KickOptions, withKick } from './kick.ts'
