/** Webhooks in (`tq-edge/webhooks`): what other services send becomes jobs. */
export type { Webhook, WebhookContext } from '../http/webhooks.ts'
export type { Form } from './body.ts'
export { type GitHubBody, github } from './github.ts'
export {
  type Delivery,
  defineSender,
  type Secret,
  type Sender,
  type SenderDefinition,
  type SenderOptions,
  type Signed,
  type TimedSenderOptions,
  type WebhookEvent,
} from './sender.ts'
export { shopify } from './shopify.ts'
export { type SlackBody, slack } from './slack.ts'
export { type StandardBody, standardWebhooks } from './standard-webhooks.ts'
export { type StripeBody, stripe } from './stripe.ts'
export { svix } from './svix.ts'
export { type TwilioOptions, twilio } from './twilio.ts'
export { type WebhookHandler, type WebhookOptions, webhook } from './webhook.ts'
