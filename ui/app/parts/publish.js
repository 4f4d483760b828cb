/** Publishes: a form with headers, properties, repeat, and the same as code. For a queue's page and an exchange's. */
import { computed, html, signal, view } from '../component.js';
import { post, url } from '../api.js';
import { plural } from '../format.js';
import { refresh } from '../live.js';
import { openDialog } from './dialog.js';
import { Field, Pairs, pairsOf, tableOf } from './form.js';
import { Icon } from './icon.js';
import { Card } from './page.js';
import { Notice } from './state.js';
import { Code } from './copy.js';
import { curl } from './curl.js';

const REPEAT_MAX = 10000;
/** Requests on their way at a time. */
const TOGETHER = 8;

/** Properties that are a text field each: `[name, label, more]`. */
const TEXTS = [
  ['message_id', 'Message id'], ['correlation_id', 'Correlation id'], ['reply_to', 'Reply to'], ['type', 'Type'], ['app_id', 'App id'], ['content_encoding', 'Content encoding'],
  ['expiration', 'Expiration', { help: 'ms until it expires', inputmode: 'numeric' }],
];
const NUMBERS = [['priority', 'Priority', { inputmode: 'numeric' }], ['timestamp', 'Timestamp', { help: 's since 1970', inputmode: 'numeric' }]];
const CONTENT_TYPES = ['application/json', 'text/plain', 'application/octet-stream', 'application/xml'];

function formOf(exchange, routingKey, { properties: given = {}, payload = '', payload_encoding: encoding = 'string' }) {
  const properties = Object.fromEntries([...TEXTS, ...NUMBERS].map(([name]) => [name, signal(String(given[name] ?? ''))]));
  return {
    exchange: signal(exchange), routingKey: signal(routingKey), payload: signal(payload), encoding: signal(encoding), contentType: signal(given.content_type ?? ''),
    persistent: signal((given.delivery_mode ?? 2) === 2), headers: signal(pairsOf(given.headers)), repeat: signal('1'), properties,
  };
}

/** What the API takes; throws an `Error` in plain words. */
function bodyOf(form) {
  const properties = { delivery_mode: form.persistent.value ? 2 : 1 };
  if (form.contentType.value) properties.content_type = form.contentType.value;
  for (const [name] of TEXTS) if (form.properties[name].value) properties[name] = form.properties[name].value;
  for (const [name, label] of NUMBERS) {
    const text = form.properties[name].value.trim();
    if (!text) continue;
    if (!/^\d+$/.test(text)) throw new Error(`${label} is not a whole number: ${text}`);
    properties[name] = Number(text);
  }
  const headers = tableOf(form.headers.value);
  if (Object.keys(headers).length) properties.headers = headers;
  if (form.contentType.value === 'application/json' && form.encoding.value === 'string') checkJson(form.payload.value);
  return { routing_key: form.routingKey.value, properties, payload: form.payload.value, payload_encoding: form.encoding.value };
}

function checkJson(text) {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`The body is not JSON, as its content type says: ${error.message}`);
  }
}

/**
 * @param {{vhost: string, exchange: string, routingKey?: string, message?: object}} props `exchange` is `''` for the default exchange, whose routing key is a queue's name;
 *   `message`: what the form has at first, as the API shows messages. Then the exchange can be changed too.
 */
export const Publish = view(({ vhost, exchange: given, routingKey = '', message }, self) => {
  const form = self.keep('form', () => formOf(given, routingKey, message ?? {}));
  const exchange = form.exchange.value;
  const isBusy = self.signal('busy', false);
  const outcome = self.signal('outcome', null);
  const path = url`/api/exchanges/${vhost}/${exchange || 'amq.default'}/publish`;
  const body = self.keep('body', () => computed(() => { try { return { body: bodyOf(form) }; } catch (error) { return { error: error.message }; } }));
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    outcome.value = null;
    try {
      outcome.value = await send(path, bodyOf(form), form.repeat.value);
      refresh('/api/');
    } catch (error) {
      outcome.value = { tone: 'bad', text: error.message };
    } finally {
      isBusy.value = false;
    }
  };
  const isToQueue = given === '' && !message;
  return html`<form class="publish" onSubmit=${submit}>
    <${Card} title="Message">
      <div class="stack">
        ${message ? html`<${Field} label="Exchange" value=${form.exchange} help="Empty: the default exchange, whose routing key is a queue's name" />` : null}
        ${isToQueue ? null : html`<${Field} label="Routing key" value=${form.routingKey} />`}
        <${Field} label="Body" type="textarea" rows="8" value=${form.payload} />
        <div class="fields">
          <${Field} label="Content type" value=${form.contentType} list=${CONTENT_TYPES} />
          <${Field} label="The body is" type="select" value=${form.encoding} options=${[['string', 'text'], ['base64', 'base64']]} />
        </div>
        <${Pairs} label="Headers" rows=${form.headers} />
      </div>
    <//>
    <${Card} title="Properties">
      <div class="stack">
        <${Field} label="Persistent: survives a restart, in a durable queue" type="check" value=${form.persistent} />
        <div class="fields">${[...TEXTS, ...NUMBERS].map(([name, label, more]) => html`<${Field} key=${name} label=${label} value=${form.properties[name]} ...${more ?? {}} />`)}</div>
      </div>
    <//>
    ${outcome.value ? html`<${Notice} tone=${outcome.value.tone}>${outcome.value.text}<//>` : null}
    <div class="row">
      <button type="submit" class="button primary" disabled=${isBusy.value}><${Icon} name="send" />${isBusy.value ? 'Publishing' : 'Publish'}</button>
      <label class="row nowrap">times <input class="repeat" inputmode="numeric" value=${form.repeat.value} onInput=${(event) => { form.repeat.value = event.target.value; }} /></label>
      <span class="grow"></span>
      <button type="button" class="button" onClick=${() => showCode({ vhost, exchange, path, ...body.value })}><${Icon} name="code" />As code</button>
    </div>
  </form>`;
}, 'Publish');

async function send(path, body, repeat) {
  const count = Number(repeat || 1);
  if (!Number.isInteger(count) || count < 1 || count > REPEAT_MAX) throw new Error(`How often? 1 to ${REPEAT_MAX}.`);
  let routed = 0;
  for (let sent = 0; sent < count; sent += TOGETHER) {
    const now = Math.min(TOGETHER, count - sent);
    const answers = await Promise.all(Array.from({ length: now }, (_, i) => post(path, body, { quiet: sent + i > 0 })));
    routed += answers.filter((answer) => answer.routed).length;
  }
  if (routed === count) return { tone: 'good', text: count === 1 ? 'Published: it is safe in its queues.' : `Published ${plural(count, 'message')}: all are safe in their queues.` };
  return { tone: 'warn', text: routed ? `Published ${count}; ${count - routed} reached no queue.` : 'Published, but it reached no queue: no binding matches.' };
}

async function showCode({ vhost, exchange, path, body, error }) {
  const draw = error ? () => html`<${Notice} tone="bad">${error}<//>` : await codeOf({ vhost, exchange, path, body });
  await openDialog({ title: 'The same as code', kind: 'wide', draw });
}

/** In all languages that there are. */
async function codeOf({ vhost, exchange, path, body }) {
  const alone = () => html`<${Code} wrap text=${curl({ method: 'POST', path, body })} />`;
  try {
    const [{ LANGUAGES }, { brokerOf }] = await Promise.all([import('../message/code/languages.js'), import('./broker.js')]);
    const publish = {
      vhost, exchange, routingKey: body.routing_key, properties: body.properties, body: bytesOf(body), file: 'body', broker: await brokerOf(),
    };
    return () => html`<${Languages} languages=${LANGUAGES} publish=${publish} />`;
  } catch {
    return alone;
  }
}

const bytesOf = ({ payload, payload_encoding: encoding }) => (encoding === 'base64'
  ? Uint8Array.from(atob(payload), (char) => char.charCodeAt(0)) : new TextEncoder().encode(payload));

const Languages = view(({ languages, publish }, self) => {
  const chosen = self.signal('chosen', languages[0].id);
  const language = languages.find((one) => one.id === chosen.value);
  return html`<div class="stack">
    <div class="row" role="group" aria-label="Language">${languages.map((one) => html`<button key=${one.id} type="button" class="button small" aria-pressed=${one === language ? 'true' : 'false'} title=${one.title}
      onClick=${() => { chosen.value = one.id; }}>${one.label}</button>`)}</div>
    <${Code} text=${language.write(publish)} />
  </div>`;
}, 'Languages');
