/** A form to publish a message with, with all its properties. */

import { html, view } from '../component.js';
import { post, url } from '../api.js';
import { number } from '../format.js';
import { bytesOf, isReadable, textOf, toBase64 } from './bytes.js';
import { namesOf } from './names.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Field, Pairs, pairsOf, tableOf } from '../parts/form.js';
import { Notice } from '../parts/state.js';
import { toast } from '../parts/toast.js';

const COUNT_MAX = 1000;
const TEXTS = [
  ['content_type', 'Content type'], ['content_encoding', 'Content encoding'], ['message_id', 'Message id'], ['correlation_id', 'Correlation id'], ['reply_to', 'Reply to'],
  ['expiration', 'Expiration (ms)'], ['type', 'Type'], ['user_id', 'User id'], ['app_id', 'App id'],
];
const NUMBERS = [['priority', 'Priority'], ['timestamp', 'Timestamp (s since 1970)']];

/**
 * @param {{vhost: string, title: string, message?: {exchange?: string, routing_key?: string, properties?: object, payload?: string, payload_encoding?: string}}} options
 *   `message`: what the form has at first
 */
export function openPublish({ vhost, title, message = {} }) {
  return openDialog({ title, kind: 'wide', draw: (close) => html`<${PublishForm} ...${{ vhost, message, close }} />` });
}

/**
 * @param {{vhost: string, message?: object, exchange?: string, close?: (isDone: boolean) => void}} props `exchange`: the only one that it publishes to; without
 *   `close` the form stays and says what became of each publish
 */
export const PublishForm = view(({ vhost, message = {}, exchange: fixed, close }, self) => {
  const form = self.keep('form', () => formOf(self, message, fixed));
  const error = self.signal('error', '');
  const outcome = self.signal('outcome', null);
  const isBusy = self.signal('busy', false);
  const submit = async (event) => {
    event.preventDefault();
    isBusy.value = true;
    error.value = '';
    outcome.value = null;
    try {
      const routed = await send(vhost, form);
      outcome.value = routed;
      if (close && routed.unrouted === 0) {
        toast(said(routed));
        close(true);
      }
    } catch (problem) {
      error.value = problem.message;
    } finally {
      isBusy.value = false;
    }
  };
  return html`<form class="stack" onSubmit=${submit}>
    <div class="fields">${fixed === undefined ? html`<${ExchangeField} vhost=${vhost} value=${form.exchange} />` : null}<${Field} label="Routing key" value=${form.key} /></div>
    ${form.bytes === null ? html`<${Field} label="Body" type="textarea" value=${form.body} />` : html`<p class="quiet">The body is not text: its ${number(form.bytes.length)} bytes are published as they are.</p>`}
    <div class="fields"><${Field} label="Persistent: it outlives a restart" type="check" value=${form.persistent} /></div>
    <details class="more-fields" open=${self.keep('open', () => hasMore(message))}><summary>Properties and headers</summary><div class="stack">
      <div class="fields">${[...TEXTS, ...NUMBERS].map(([name, label]) => html`<${Field} key=${name} label=${label} value=${form.properties[name]} inputmode=${name in NUMERIC ? 'numeric' : undefined} />`)}</div>
      <${Pairs} label="Headers" rows=${form.headers} /></div></details>
    ${error.value ? html`<${Notice} tone="bad">${error.value}<//>` : null}
    ${outcome.value && !error.value ? html`<${Notice} tone=${outcome.value.unrouted > 0 ? 'warn' : 'good'}>${said(outcome.value)}<//>` : null}
    <${DialogActions}><span class="row grow"><${Field} class="field-inline" label="Times" type="number" min="1" max=${COUNT_MAX} value=${form.count} /></span>
      ${close ? html`<button type="button" class="button" onClick=${() => close(false)}>Cancel</button>` : null}
      <button type="submit" class="button primary" disabled=${isBusy.value}>Publish</button><//>
  </form>`;
}, 'PublishForm');

const NUMERIC = Object.fromEntries([...NUMBERS, ['expiration']].map(([name]) => [name, true]));

const ExchangeField = view(({ vhost, value }, self) => {
  const exchanges = self.keep('exchanges', () => namesOf('exchanges', vhost));
  return html`<${Field} label="Exchange" value=${value} list=${exchanges.names.value} help="Empty: the default exchange, whose routing key is a queue's name" />`;
}, 'ExchangeField');

function hasMore({ properties = {} }) {
  return Object.keys(properties).some((name) => name !== 'delivery_mode');
}

function formOf(self, { exchange = '', routing_key: key = '', properties = {}, payload = '', payload_encoding: encoding = 'string' }, fixed) {
  const bytes = bytesOf({ payload, payload_encoding: encoding });
  const text = textOf(bytes);
  const isText = text !== null && isReadable(text);
  const fields = [...TEXTS, ...NUMBERS].map(([name]) => [name, self.signal(name, properties[name] === undefined ? '' : String(properties[name]))]);
  return {
    exchange: self.signal('exchange', fixed ?? exchange),
    key: self.signal('key', key),
    body: self.signal('body', isText ? text : ''),
    bytes: isText ? null : bytes,
    persistent: self.signal('persistent', (properties.delivery_mode ?? 2) === 2),
    headers: self.signal('headers', pairsOf(properties.headers)),
    properties: Object.fromEntries(fields),
    count: self.signal('count', '1'),
  };
}

/** Publishes so often as it is to be, and counts those that no queue took. */
async function send(vhost, form) {
  const count = Number(form.count.value);
  if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX) throw new Error(`Times has to be a number from 1 to ${number(COUNT_MAX)}.`);
  const body = { routing_key: form.key.value, properties: propertiesOf(form), ...payloadOf(form) };
  const path = url`/api/exchanges/${vhost}/${form.exchange.value || 'amq.default'}/publish`;
  const result = { count, unrouted: 0 };
  for (let sent = 0; sent < count; sent += 1) {
    const { routed } = await post(path, body, sent === 0 ? {} : { quiet: true });
    if (!routed) result.unrouted += 1;
  }
  return result;
}

function propertiesOf(form) {
  const properties = { delivery_mode: form.persistent.value ? 2 : 1 };
  for (const [name] of TEXTS) if (form.properties[name].value !== '') properties[name] = form.properties[name].value;
  for (const [name, label] of NUMBERS) {
    const text = form.properties[name].value.trim();
    if (text === '') continue;
    if (!/^\d+$/.test(text)) throw new Error(`${label} has to be a whole number.`);
    properties[name] = Number(text);
  }
  const headers = tableOf(form.headers.value);
  return Object.keys(headers).length > 0 ? { ...properties, headers } : properties;
}

function payloadOf({ bytes, body }) {
  return bytes === null ? { payload: body.value, payload_encoding: 'string' } : { payload: toBase64(bytes), payload_encoding: 'base64' };
}

function said({ count, unrouted }) {
  if (unrouted > 0) return count === 1 ? 'It was published, but no queue took it: nothing is bound so.' : `${number(unrouted)} of ${number(count)} were taken by no queue: nothing is bound so.`;
  return count === 1 ? 'Published, and a queue has it.' : `${number(count)} messages are published.`;
}
