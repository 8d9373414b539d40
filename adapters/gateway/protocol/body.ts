import { badRequest, Refusal, tooLarge } from './refusal.ts'

/** A request's body as text; what is not UTF-8 becomes U+FFFD. Throws `Refusal` when it is larger than allowed, or breaks off. */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  try {
    return isDeclared(request, maxBytes) ? await request.text() : (await readBounded(request, maxBytes)).toString()
  } catch (error) {
    throw toRefusal(error)
  }
}

/** A request's body as it is. Throws `Refusal` when it is larger than allowed, or breaks off. */
export async function readBytes(request: Request, maxBytes: number): Promise<Buffer> {
  try {
    return isDeclared(request, maxBytes)
      ? Buffer.from(await request.arrayBuffer())
      : await readBounded(request, maxBytes)
  } catch (error) {
    throw toRefusal(error)
  }
}

/** Whoever left in the middle of it reads no answer, and is no fault of the server's, which would log it as one. */
function toRefusal(error: unknown): Refusal {
  return error instanceof Refusal ? error : badRequest('ERR the request broke off')
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
