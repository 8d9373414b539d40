/**
 * What every answer tells browsers, after OWASP's REST Security Cheat Sheet
 * (https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers): to store nothing, to guess no type, and
 * to treat what they show as no page. `X-Frame-Options` is left out: every browser of today reads `frame-ancestors`.
 */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

const ENTRIES = Object.entries(SAFE_HEADERS)
const YEAR_S = 31_536_000
/** Browsers keep it for a host, whatever the port: on this machine it would shut out every other server that has no TLS. */
const OVER_TLS = /^https:\/\/(?!(?:[^/]+\.)?localhost[:/]|127\.|\[::1\])/

/**
 * Sets what an answer does not say itself. Given the URL of a host that is the API's alone, over TLS also that all its calls are to come so:
 * of anybody else's host that is not the API's to say.
 */
export function setSafeHeaders(headers: Headers, url = ''): void {
  for (const [name, value] of ENTRIES) if (!headers.has(name)) headers.set(name, value)
  if (OVER_TLS.test(url) && !headers.has('Strict-Transport-Security'))
    headers.set('Strict-Transport-Security', `max-age=${YEAR_S}`)
}
