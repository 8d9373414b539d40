// src/pages/api/tq/[...path].ts
import { api } from '../../../../tq.ts'

export const prerender = false
export const ALL = ({ request }: { request: Request }) => api.fetch(request)
