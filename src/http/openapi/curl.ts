import type { OperationObject } from './document.ts'

/** The command that makes a call by its example, for a shell with `$TQ` and `$TQ_TOKEN` set, and `$INPUT` or `$LINK` where it has them. */
export function toCurl(method: string, path: string, { parameters, security, requestBody }: OperationObject): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    const parameter = parameters.find((given) => given.in === 'path' && given.name === name)
    return encodeURIComponent(String(parameter?.example ?? name))
  })
  const [scheme = {}] = security
  const [example] = Object.values(requestBody?.content['application/json']?.examples ?? {})
  const body = example ? quoted(JSON.stringify(example.value)) : '"$INPUT"'
  return [
    method === 'GET' ? 'curl' : `curl -X ${method}`,
    `"$TQ${filled}${'link' in scheme ? '?link=$LINK' : ''}"`,
    ...('token' in scheme ? ['-H "Authorization: Bearer $TQ_TOKEN"'] : []),
    ...(requestBody ? ['-H "Content-Type: application/json"', `-d ${body}`] : []),
  ].join(' ')
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
