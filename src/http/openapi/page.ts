/**
 * The document as a page. It is written by the server and has no scripts: what it shows is there for everybody who can read HTML.
 *
 * @module
 */
import { toCurl } from './curl.ts'
import type { Document, Media, OperationObject, Parameter, ResponseObject } from './document.ts'
import { type Html, html, marked } from './html.ts'
import type { JsonSchema } from './json-schema.ts'
import { anchorOf, renderFields, renderType } from './page-schema.ts'

interface Call {
  readonly method: string
  readonly path: string
  readonly operation: OperationObject
}

export function renderPage(document: Document): string {
  const calls = callsOf(document)
  const ofTag = document.tags.map((tag) => ({
    ...tag,
    calls: calls.filter((call) => call.operation.tags[0] === tag.name),
  }))
  const { html: page } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>The API of tq</title>
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
<nav aria-label="Calls">
<a class="home" href="#top">tq</a>
${ofTag.map(({ name, calls: own }) => html`<h2><a href="#${toId(name)}">${name}</a></h2><ul>${own.map(renderEntry)}</ul>`)}
<h2><a href="#schemas">Schemas</a></h2>
</nav>
<main id="top">
<h1>The API of tq</h1>
<p>${marked(document.info.description)}</p>
<p>As a document for programs: <a href="openapi.json">openapi.json</a> (OpenAPI ${document.openapi}). The commands below run once
<code>TQ</code> is the address of this server${document.servers?.map(({ url }) => url !== '/' && html` with <code>${url}</code>`)} and
<code>TQ_TOKEN</code> a token, if it asks for one; where they have them, <code>INPUT</code> is what the task takes, as JSON, and <code>LINK</code> what a signed link has
behind <code>link=</code>.</p>
${ofTag.map(
  ({ name, description, calls: own }) => html`<section id="${toId(name)}"><h2>${name}</h2><p>${description}.</p>
${own.map((call) => renderCall(call, document))}</section>`,
)}
<section id="schemas"><h2>Schemas</h2>${Object.entries(document.components.schemas).map(renderSchema)}</section>
</main>
</body>
</html>
`
  return page
}

function callsOf({ paths }: Document): readonly Call[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}

const toId = (tag: string) => `tag-${tag.replace(/\W+/g, '-')}`

function renderEntry({ method, operation: { operationId }, path }: Call): Html {
  return html`<li><a href="#${operationId}"><b class="${method}">${method}</b> ${path.replace('/v1', '')}</a></li>`
}

function renderCall({ method, path, operation }: Call, document: Document): Html {
  const { operationId, summary, description, parameters, requestBody, responses } = operation
  return html`<article id="${operationId}">
<h3><b class="${method}">${method}</b> <code>${path}</code></h3>
<p>${marked(summary)}.${description !== undefined && html` ${marked(description)}`}</p>
<p class="need">${renderNeed(operation)}</p>
<pre><code>${toCurl(method, path, operation)}</code></pre>
${parameters.length > 0 && html`<h4>Parameters</h4><table>${parameters.map(renderParameter)}</table>`}
${requestBody && html`<h4>Body${requestBody.required ? '' : ', if any'}</h4>${renderBody(requestBody.content)}`}
<h4>Answers</h4>
<table>${Object.entries(responses).map(([status, response]) => renderAnswer(status, resolve(response, document)))}</table>
</article>
`
}

function renderNeed({ operationId, security: [scheme] }: OperationObject): Html {
  if (!scheme) return html`Needs no token.`
  const [scope = ''] = scheme.token ?? []
  return scheme.token
    ? html`Needs a token with the scope <code>${scope}</code>. In clients: <code>${operationId}</code>.`
    : html`Needs a signed link. In clients: <code>${operationId}</code>.`
}

function renderParameter({ name, in: place, required, schema, description }: Parameter): Html {
  return html`<tr><th scope="row"><code>${name}</code>${required && html` <b>needed</b>`}<small> in the ${place}</small></th>
<td>${renderType(schema)}</td><td>${marked(description)}</td></tr>`
}

function renderBody(content: Readonly<Record<string, Media>>): readonly Html[] {
  return Object.entries(content).map(
    ([type, { schema, examples = {} }]) => html`<div><code>${type}</code>: ${renderType(schema)}</div>
${Object.values(examples).map(({ value }) => html`<pre><code>${JSON.stringify(value, null, 2)}</code></pre>`)}`,
  )
}

function resolve(response: OperationObject['responses'][string], { components }: Document): ResponseObject {
  if (!('$ref' in response)) return response
  return components.responses[response.$ref.slice('#/components/responses/'.length)] as ResponseObject
}

function renderAnswer(status: string, { description, headers = {}, content = {} }: ResponseObject): Html {
  const names = Object.keys(headers)
  return html`<tr><th scope="row">${status}</th><td>${Object.values(content).map(({ schema }) => renderContent(schema))}</td>
<td>${marked(description)}${names.length > 0 && html` <small>${names.join(', ')}</small>`}</td></tr>`
}

/** Of a problem its kinds say more than its form, which is always the same. */
function renderContent(schema: JsonSchema): Html {
  const kinds = (schema.properties as Record<string, JsonSchema> | undefined)?.type?.enum
  if (schema.$ref === undefined || !Array.isArray(kinds)) return renderType(schema)
  return html`${kinds.map((kind) => html`<code class="kind">${String(kind).replace('urn:tq:problem:', '')}</code> `)}`
}

function renderSchema([name, schema]: [string, JsonSchema]): Html {
  const body = schema.properties ? renderFields(schema) : html`<div>${renderType(schema)}</div>`
  return html`<article id="${anchorOf(name)}"><h3>${name}</h3>${body}</article>
`
}
