import { badRequest, Refusal, tooLarge } from './refusal.ts'

/** A request's body as text; what is not UTF-8 becomes U+FFFD. Throws `Refusal` when it is larger than allowed, or breaks off. */
export function readText(request: Request, maxBytes: number): Promise<string> {
  return unbroken(async () =>
    isDeclared(request, maxBytes) ? request.text() : (await readBounded(request, maxBytes)).toString(),
  )
}

/** A request's body as it is. Throws `Refusal` when it is larger than allowed, or breaks off. */
export function readBytes(request: Request, maxBytes: number): Promise<Buffer> {
  return unbroken(async () =>
    isDeclared(request, maxBytes) ? Buffer.from(await request.arrayBuffer()) : readBounded(request, maxBytes),
  )
}

/** Whoever left in the middle of it reads no answer, and is no fault of the server's, which would log it as one. */
async function unbroken<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw error instanceof Refusal ? error : badRequest('ERR the request broke off')
  }
}

/** True where the server holds the body to a length it has announced. */
function isDeclared(request: Request, maxBytes: number): boolean {
  const declared = request.headers.get('content-length')
  if (declared === null) return false
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes, Number(declared))
  return true
}

async function readBounded(request: Request, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw tooLarge(maxBytes, bytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
