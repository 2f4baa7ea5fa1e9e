// Reads the OpenAPI document to people: every operation with what it takes, what it answers, and a line to try it with.

import { html, render, useEffect, useState } from './preact.js';
import { Copy, Icon, Trouble } from './parts.js';

document.documentElement.dataset.theme = localStorage.getItem('raconteur.theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');

const VERBS = ['get', 'post', 'delete'];

const nameOf = (schema) => schema?.$ref?.split('/').at(-1);

function boundsOf({ minimum, maximum, maxLength }) {
  if (maximum != null) return `, ${minimum} to ${maximum.toLocaleString()}`;
  return maxLength != null ? `, at most ${maxLength.toLocaleString()} characters` : '';
}

/** A type in a few words, with links to the shapes that it names. */
function Type({ schema }) {
  if (!schema || !Object.keys(schema).length) return html`<span class="type">any JSON</span>`;
  const name = nameOf(schema);
  if (name) return html`<a class="type" href=${`#shape-${name}`}>${name}</a>`;
  if (schema.anyOf) return schema.anyOf.map((one, index) => html`${index > 0 && html`<span class="type"> or </span>`}<${Type} schema=${one} />`);
  if (schema.type === 'array') return html`<span class="type">list of </span><${Type} schema=${schema.items} />`;
  if (schema.enum) return html`<span class="type">${schema.enum.map((word) => `"${word}"`).join(' or ')}</span>`;
  return html`<span class="type">${[schema.type].flat().join(' or ')}${boundsOf(schema)}</span>`;
}

/** An example of a shape, so far as one can be made up. */
function example(schema, shapes, depth = 0) {
  const name = nameOf(schema);
  if (name) return depth > 3 ? {} : example(shapes[name], shapes, depth + 1);
  if (schema.anyOf) return example(schema.anyOf[0], shapes, depth);
  if (schema.enum) return schema.enum[0];
  switch ([schema.type].flat()[0]) {
    case 'object': return Object.fromEntries(Object.entries(schema.properties).map(([key, inner]) => [key, key === 'user' ? '+15550199' : key === 'tenant' ? '+15550100' : key === 'media' ? [] : example(inner, shapes, depth + 1)]));
    case 'array': return [example(schema.items, shapes, depth + 1)];
    case 'integer': return schema.minimum ?? 0;
    case 'boolean': return false;
    case 'string': return schema.format === 'uri' ? `${location.origin}/sms` : 'text';
    default: return {};
  }
}

function curl(method, path, operation, shapes) {
  const filled = path.replace('{tenant}', '+15550100').replace('{user}', '+15550199').replace('{text}', '8-0').replace('{letter}', '8').replace('{pipe}', 'PIPE');
  const lines = [`curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}${location.origin}${filled}`];
  if (operation.security?.length) lines.push('-H "Authorization: Bearer $TOKEN"');
  const schema = operation.requestBody?.content['application/json'].schema;
  if (schema) lines.push(`-d '${JSON.stringify(example(schema, shapes))}'`);
  return lines.join(' \\\n  ');
}

function Fields({ schema, shapes }) {
  const shape = nameOf(schema) ? shapes[nameOf(schema)] : schema;
  if (!shape?.properties) return html`<p><${Type} schema=${schema} /></p>`;
  return html`<ul class="fields">${Object.entries(shape.properties).map(([name, inner]) => html`<li key=${name}>
    <code>${name}</code> <${Type} schema=${inner} />${!shape.required?.includes(name) && html` <span class="quiet small">may be left out</span>`}
  </li>`)}</ul>`;
}

/** Answers that are as they should be, and for each other status the codes that go with it. */
function answersOf(operation, shared) {
  const all = Object.entries(operation.responses).map(([status, answer]) => [status, answer.$ref ? shared[nameOf(answer)] : answer]);
  const problem = (answer) => answer.content?.['application/problem+json']?.schema;
  return {
    good: all.filter(([, answer]) => !problem(answer)),
    bad: all.filter(([, answer]) => problem(answer)).map(([status, answer]) => [status, answer.description.split(/(?<=\.) (?=`)/)]),
  };
}

function Coded({ words }) {
  const [, code, rest] = /^`(\w+)`: (.*)$/.exec(words) ?? [null, '', words];
  return html`<div>${code && html`<code>${code}</code>`} <span class="soft">${rest.replaceAll('`', '')}</span></div>`;
}

/** A path that may be broken before each of its parts. */
const Path = ({ path }) => html`<code>${path.split(/(?=\/)/).map((part) => html`<wbr />${part}`)}</code>`;

function Operation({ method, path, operation, shapes, shared }) {
  const line = curl(method, path, operation, shapes);
  const { good, bad } = answersOf(operation, shared);
  return html`<details class="card operation" id=${operation.operationId}>
    <summary><span class=${`verb ${method}`}>${method.toUpperCase()}</span><${Path} path=${path} /><span class="soft">${operation.summary.replaceAll('`', '')}</span></summary>
    <div class="inside">
      ${operation.description && html`<p class="small soft">${operation.description.replaceAll('`', '')}</p>`}
      ${operation.parameters.length > 0 && html`<section><h3>Parameters</h3><ul class="fields">${operation.parameters.map((one) => html`<li key=${one.name}>
        <code>${one.name}</code> <${Type} schema=${one.schema} /> <span class="quiet small">in the ${one.in}. ${one.description.replaceAll('`', '')}</span></li>`)}</ul></section>`}
      ${operation.requestBody && html`<section><h3>Body</h3><${Fields} schema=${operation.requestBody.content['application/json'].schema} shapes=${shapes} /></section>`}
      ${good.map(([status, answer]) => {
        const [[kind, content] = []] = Object.entries(answer.content ?? {});
        const schema = content?.['x-data'] ?? content?.schema;
        return html`<section key=${status}><h3>${status} <span class="quiet">${kind ?? ''}</span></h3>${schema && html`<${Fields} schema=${schema} shapes=${shapes} />`}</section>`;
      })}
      ${bad.length > 0 && html`<section><h3>Problems <span class="quiet">application/problem+json</span></h3><ul class="fields problems">
        ${bad.map(([status, codes]) => html`<li key=${status}><b>${status}</b><div>${codes.map((words) => html`<${Coded} key=${words} words=${words} />`)}</div></li>`)}</ul></section>`}
      <section><h3>Try it</h3><div class="try"><pre tabindex="0">${line}</pre><${Copy} text=${line} /></div></section>
    </div>
  </details>`;
}

/** What is asked of a server of the reader's own. */
function Hook({ name, operation, shapes }) {
  return html`<details class="card operation" id=${name}>
    <summary><span class="verb post">POST</span><code>your webhook</code><span class="soft">${operation.summary}</span></summary>
    <div class="inside"><p class="small soft">${operation.description.replaceAll('`', '')}</p>
      <section><h3>Body</h3><${Fields} schema=${operation.requestBody.content['application/json'].schema} shapes=${shapes} /></section></div>
  </details>`;
}

function Reference() {
  const [found, keep] = useState({});
  const read = () => fetch('/v1/openapi.json').then((response) => response.json()).then((doc) => keep({ doc })).catch((error) => keep({ error }));
  useEffect(() => { read(); }, []);
  useEffect(() => {
    const target = document.getElementById(location.hash.slice(1));
    if (target) { target.open = true; target.scrollIntoView(); }
  }, [found.doc]);
  if (found.error) return html`<main class="page"><${Trouble} error=${found.error} again=${read} /></main>`;
  if (!found.doc) return null;
  const { doc } = found;
  const { schemas: shapes, responses: shared } = doc.components;
  const operations = Object.entries(doc.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ method, path, operation }))
    .sort((one, other) => VERBS.indexOf(one.method) - VERBS.indexOf(other.method)));
  return html`<div class="reference">
    <nav class="contents" aria-label="Contents">
      <a class="brand" href="/"><img src="/console/icon.svg" alt="" width="26" height="26" />Raconteur</a>
      ${doc.tags.map((tag) => html`<a key=${tag.name} href=${`#tag-${tag.name}`}>${tag.name[0].toUpperCase() + tag.name.slice(1)}</a>`)}
      <a href="#webhooks">Webhooks</a>
      <a href="#shapes">Shapes</a>
      <a href="/v1/openapi.json" download="raconteur.json"><${Icon} name="down" />openapi.json</a>
    </nav>
    <main class="page" id="main">
      <header><div><h1>API reference</h1><p>${doc.info.description.replaceAll('`', '')}</p></div></header>
      ${doc.tags.map((tag) => html`<section key=${tag.name} class="tag" id=${`tag-${tag.name}`}>
        <h2>${tag.name[0].toUpperCase() + tag.name.slice(1)}</h2><p class="soft">${tag.description}</p>
        ${operations.filter(({ operation }) => operation.tags.includes(tag.name)).map((one) => html`<${Operation} key=${one.operation.operationId} ...${one} shapes=${shapes} shared=${shared} />`)}
      </section>`)}
      <section class="tag" id="webhooks"><h2>Webhooks</h2><p class="soft">What a server of yours is told, where [reports] names it.</p>
        ${Object.entries(doc.webhooks).map(([name, { post }]) => html`<${Hook} key=${name} name=${name} operation=${post} shapes=${shapes} />`)}
      </section>
      <section class="tag" id="shapes"><h2>Shapes</h2>
        <div class="shapes">${Object.entries(shapes).map(([name, shape]) => html`<section key=${name} class="card inside" id=${`shape-${name}`}><h3>${name}</h3><${Fields} schema=${shape} shapes=${shapes} /></section>`)}</div>
      </section>
    </main>
  </div>`;
}

render(html`<${Reference} />`, document.getElementById('app'));
