/** The body of a message: as JSON, text or bytes, unpacked if it is packed. */

import { html, view } from '../component.js';
import { bytes as asBytes, number } from '../format.js';
import { fileName, readBody } from '../message/body.js';
import { hexRows } from '../message/bytes.js';
import { prettyLines, pretty } from '../message/json.js';
import { query, setQuery } from '../router.js';
import { Copy } from '../parts/copy.js';
import { Skeleton } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';

/** What is drawn at once of a large body: lines of JSON, characters of text, rows of bytes. */
const SHOWN = { json: 1000, text: 100_000, hex: 512 };
const LABELS = { json: 'JSON', text: 'Text', hex: 'Hex' };

export const BodyCard = view(({ message, place }, self) => {
  const body = self.signal('body', null);
  const read = self.keep('read', () => ({ payload: null }));
  const identity = `${message.payload_encoding} ${message.payload}`;
  if (read.payload !== identity) {
    read.payload = identity;
    readBody(message).then((now) => { if (read.payload === identity) body.value = now; });
  }
  if (body.value === null) return html`<${Card} title="Body"><${Skeleton} /><//>`;
  return html`<${Shown} body=${body.value} message=${message} place=${place} />`;
}, 'BodyCard');

const Shown = view(({ body, message, place }, self) => {
  const isWhole = self.signal('whole', false);
  const wanted = query.value.view;
  const current = body.views.includes(wanted) ? wanted : body.views[0];
  const choose = (one) => { isWhole.value = false; setQuery({ view: one === body.views[0] ? '' : one }, { replace: true }); };
  const switches = html`<div class="switch switch-words" role="group" aria-label="Shown as">${body.views.map((one) => html`<button key=${one} type="button" aria-pressed=${one === current ? 'true' : 'false'}
    onClick=${() => choose(one)}>${LABELS[one]}</button>`)}</div>`;
  const actions = html`${switches}<${Copy} text=${() => copied(body, current)} label="Copy the body" /><${Download} body=${body} name=${fileName(place.name, place.position, body)} />`;
  return html`<${Card} title="Body" actions=${actions} class="message-body">
    <${About} body=${body} message=${message} />
    ${body.problem === null ? null : html`<${Notice} tone="warn">${body.problem}<//>`}
    ${body.bytes.length === 0 ? html`<p class="quiet">The body is empty.</p>` : html`<${VIEWS[current]} body=${body} isWhole=${isWhole} />`}
  <//>`;
}, 'Shown');

function About({ body, message }) {
  const { content_type: type, content_encoding: encoding } = message.properties;
  const size = body.steps.length > 0 ? `${asBytes(body.published.length)}, unpacked ${asBytes(body.bytes.length)}` : asBytes(body.published.length);
  return html`<p class="row quiet small"><span>${type ?? 'no content type'}</span>${encoding ? html`<span>${encoding}</span>` : null}<span>${size}</span>
    ${body.steps.map((step) => html`<${Badge} key=${step} tone="accent">${step} unpacked<//>`)}
    ${body.charset !== 'utf-8' && body.text !== null ? html`<${Badge}>${body.charset}<//>` : null}</p>`;
}

/** A link that is made when it is needed: bodies may be large. */
function Download({ body, name }) {
  const save = () => {
    const address = URL.createObjectURL(new Blob([body.bytes], { type: 'application/octet-stream' }));
    Object.assign(document.createElement('a'), { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  };
  return html`<button type="button" class="icon-button small" aria-label="Save the body as ${name}" title="Save as ${name}" onClick=${save}><${Icon} name="download" /></button>`;
}

function copied(body, current) {
  if (current === 'json') return pretty(body.text);
  return current === 'text' ? body.text : hexText(hexRows(body.bytes));
}

const hexText = (rows) => rows.map(({ offset, hex, ascii }) => `${offset}  ${hex.padEnd(49)} ${ascii}`).join('\n');

const Json = view(({ body, isWhole }) => {
  const lines = prettyLines(body.text);
  const shown = isWhole.value ? lines : lines.slice(0, SHOWN.json);
  return html`<pre class="body-view json" tabindex="0" role="region" aria-label="Body as JSON">${shown.map(({ depth, tokens }, at) => html`<span key=${at} class="json-line" style=${{ paddingLeft: `${depth * 2 + 2}ch` }}>${
    tokens.map(({ kind, text }, index) => html`<span key=${index} class="json-${kind}">${kind === 'mark' && text === ':' ? ': ' : text}</span>`)}</span>`)}</pre>
    <${More} left=${lines.length - shown.length} what="lines" isWhole=${isWhole} />`;
}, 'Json');

const Text = view(({ body, isWhole }) => {
  const shown = isWhole.value ? body.text : body.text.slice(0, SHOWN.text);
  return html`<pre class="body-view wrap" tabindex="0" role="region" aria-label="Body as text">${shown}</pre>
    <${More} left=${body.text.length - shown.length} what="characters" isWhole=${isWhole} />`;
}, 'Text');

const Hex = view(({ body, isWhole }) => {
  const rows = hexRows(body.bytes, 0, isWhole.value ? Infinity : SHOWN.hex);
  return html`<pre class="body-view hex" tabindex="0" role="region" aria-label="Body as bytes">${rows.map(({ offset, hex, ascii }) => html`<span key=${offset} class="hex-row"><span class="quiet">${offset}</span><span>${hex}</span><span class="hex-text">${ascii}</span></span>`)}</pre>
    <${More} left=${body.bytes.length - rows.length * 16} what="bytes" isWhole=${isWhole} />`;
}, 'Hex');

function More({ left, what, isWhole }) {
  if (left <= 0) return null;
  return html`<p class="row"><span class="quiet">${number(left)} ${what} more.</span><button type="button" class="button small" onClick=${() => { isWhole.value = true; }}>Show all</button></p>`;
}

const VIEWS = { json: Json, text: Text, hex: Hex };
