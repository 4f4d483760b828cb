/** Properties and headers: the publisher's, and those that the broker wrote. */

import { html } from '../component.js';
import { inline, moment } from '../format.js';
import { isBrokers } from '../message/path.js';
import { Copy } from '../parts/copy.js';
import { Card } from '../parts/page.js';

const LABELS = {
  content_type: 'Content type', content_encoding: 'Content encoding', delivery_mode: 'Delivery mode', priority: 'Priority', correlation_id: 'Correlation id',
  reply_to: 'Reply to', expiration: 'Expiration', message_id: 'Message id', timestamp: 'Timestamp', type: 'Type', user_id: 'User id', app_id: 'App id', cluster_id: 'Cluster id',
};

export function HeadersCard({ message }) {
  const { headers = {}, ...properties } = message.properties;
  const names = Object.keys(headers).sort();
  const own = names.filter((name) => !isBrokers(name));
  const brokers = names.filter(isBrokers);
  return html`<${Card} title="Properties">
    <dl class="pairs-list">
      <${Pair} name="Exchange" value=${message.exchange || '(default)'} />
      <${Pair} name="Routing key" value=${message.routing_key} />
      ${Object.keys(LABELS).filter((name) => properties[name] !== undefined).map((name) => html`<${Pair} key=${name} name=${LABELS[name]} value=${shown(name, properties[name])} />`)}
    </dl>
    <${Group} title="Headers" names=${own} headers=${headers} />
    ${brokers.length === 0 ? null : html`<details class="more-fields"><summary>Written by the broker (${brokers.length})</summary><${List} names=${brokers} headers=${headers} /></details>`}
  <//>`;
}

function Group({ title, names, headers }) {
  return names.length === 0 ? null : html`<h3 class="pairs-title">${title}</h3><${List} names=${names} headers=${headers} />`;
}

function List({ names, headers }) {
  return html`<dl class="pairs-list">${names.map((name) => html`<${Pair} key=${name} name=${name} value=${text(headers[name])} isCode=${true} isLong=${isNested(headers[name])} />`)}</dl>`;
}

function Pair({ name, value, isCode, isLong }) {
  return html`<div class=${isLong ? 'pair-long' : undefined}><dt class=${isCode ? 'mono' : undefined}>${name}</dt>
    <dd>${value === '' ? html`<span class="quiet">empty</span>` : html`<span class=${isLong ? 'pairs-value mono' : 'pairs-value'}>${value}</span>`}<${Copy} text=${value} label="Copy ${name}" /></dd></div>`;
}

function shown(name, value) {
  if (name === 'delivery_mode') return value === 2 ? '2 (persistent)' : `${value} (transient)`;
  if (name === 'timestamp') return `${value} (${moment(value)})`;
  return name === 'expiration' ? `${value} ms` : String(value);
}

const isNested = (value) => value !== null && typeof value === 'object';
const text = (value) => (isNested(value) ? JSON.stringify(value, null, 2) : inline(value));

