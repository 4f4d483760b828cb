/** The same as the picture, as a list: for keyboards and screen readers, and to find things by name. */
import { html, view } from '../component.js';
import { rate } from '../format.js';
import { link, query, setQuery } from '../router.js';
import { Icon } from '../parts/icon.js';
import { Badge } from '../parts/state.js';
import { KINDS, choose, factsOf, titleOf } from './topology-picture.js';

const GROUPS = [['exchange', 'Exchanges', 'exchanges'], ['group', 'Queues that are alike', 'queues'], ['queue', 'Queues', 'queues'], ['consumers', 'Consumers', 'consumers'], ['missing', 'Exchanges that do not exist', 'warning']];

export const Side = view(({ picture, vhost }) => {
  const { nodes } = picture.graph.value;
  const focused = nodes.find(({ id }) => id === query.value.focus);
  return html`<div class="topology-side" role="region" aria-label="The picture as a list">
    ${focused === undefined ? null : html`<${Focused} node=${focused} picture=${picture} vhost=${vhost} />`}
    ${GROUPS.map(([kind, title, icon]) => html`<${Group} key=${kind} ...${{ title, icon, nodes: nodes.filter((node) => node.kind === kind) }} />`)}
  </div>`;
}, 'Side');

function Group({ title, icon, nodes }) {
  if (nodes.length === 0) return null;
  return html`<section><h2>${title} <span class="quiet num">${nodes.length}</span></h2>
    <ul class="plain">${nodes.map((node) => html`<${Item} key=${node.id} id=${node.id} kind=${node.kind} icon=${icon} title=${titleOf(node)} facts=${factsOf(node)} />`)}</ul></section>`;
}

const Item = view(({ id, kind, icon, title, facts }) => {
  const isFocused = query.value.focus === id;
  return html`<li><button type="button" class="topology-item" aria-pressed=${isFocused ? 'true' : 'false'} title=${title} onClick=${() => choose(id, kind, isFocused)}>
    <${Icon} name=${icon} /><span class="cut grow">${title}</span><span class="quiet num nowrap">${facts}</span></button></li>`;
}, 'Item');

/** What comes to a node, and what leaves it. */
const Focused = view(({ node, picture, vhost }) => {
  const { edges, nodes } = picture.graph.value;
  const names = new Map(nodes.map((other) => [other.id, titleOf(other)]));
  const rates = picture.rates.value;
  const lines = (end, other) => edges.filter((edge) => edge[end] === node.id).map((edge) => ({ ...edge, other: names.get(edge[other]), otherId: edge[other], ...rates.get(edge.id) }));
  return html`<section class="card topology-focus">
    <h2 class="with-icon">${titleOf(node)}</h2>
    <p class="quiet">${factsOf(node)}</p>
    ${pageOf(node, vhost)}
    <${Lines} title="Comes from" lines=${lines('to', 'from')} /><${Lines} title="Goes to" lines=${lines('from', 'to')} />
    <button type="button" class="button small" onClick=${() => setQuery({ focus: '' })}><${Icon} name="close" />Show all</button>
  </section>`;
}, 'Focused');

function pageOf({ kind, name }, vhost) {
  if (kind === 'missing') return html`<p class="bad">Messages that are to go there are dropped.</p>`;
  const to = { exchange: ['exchanges', vhost, name], queue: ['queues', vhost, name], consumers: ['queues', vhost, name] }[kind];
  const words = { exchange: 'Open the exchange', queue: 'Open the queue', consumers: 'Open its consumers' }[kind];
  return html`<p><a href=${link(to, kind === 'consumers' ? { tab: 'consumers' } : {})}>${words}</a></p>`;
}

function Lines({ title, lines }) {
  if (lines.length === 0) return null;
  return html`<div><h3>${title}</h3><ul class="plain">${lines.map(({ id, kind, labels, other, otherId, rate: perSecond = 0, isEstimate }) => html`<li key=${id} class="topology-line">
    <button type="button" class="link-button cut" title=${other} onClick=${() => setQuery({ focus: otherId })}>${other}</button>
    <span class="quiet num nowrap" title=${isEstimate ? 'By what its sources get: the broker does not count by binding' : undefined}>${isEstimate && perSecond > 0 ? '≈ ' : ''}${rate(perSecond)}</span>
    <span class="topology-how">${kind === 'binding' ? null : html`<${Badge} tone=${kind === 'dead-letter' ? 'bad' : 'plain'}>${KINDS[kind]}<//>`} ${labels.filter(Boolean).map((label) => html`<code key=${label}>${label}</code> `)}</span></li>`)}</ul></div>`;
}
