/** What the REST API tells of itself (`tq-edge/openapi`). */
export { type OpenApi, type OpenApiOptions, openApi } from './open-api.ts'
