// src/routes/api/tq/[...path]/+server.ts
import { api } from '../../../../../tq.ts'

export const fallback = ({ request }: { request: Request }) => api.fetch(request)
