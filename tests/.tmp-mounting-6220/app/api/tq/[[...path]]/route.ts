// app/api/tq/[[...path]]/route.ts
import { api } from '../../../../tq.ts'

const handle = (request: Request) => api.fetch(request)

export { handle as GET, handle as POST, handle as PUT, handle as DELETE }
