/** What is wrong first; then how much there is of everything, how fast it moves, and how the server is. */
import { html, view } from '../component.js';
import { bytes, duration, number, rate } from '../format.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { can, vhosts } from '../session.js';
import { brokerIn, uriOf } from '../parts/broker.js';
import { Chart } from '../parts/chart.js';
import { Copy } from '../parts/copy.js';
import { Loaded } from '../parts/empty.js';
import { Card, Facts, Page } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Problems } from './overview-problems.js';
import { perSecond } from './queue.js';

const SAMPLES = 'lengths_age=60&lengths_incr=1&msg_rates_age=60&msg_rates_incr=1';

export default view((_, self) => {
  const overview = self.keep('overview', () => live(`/api/overview?${SAMPLES}`));
  const nodes = self.keep('nodes', () => live(() => (can('monitoring') ? '/api/nodes' : null)));
  return html`<${Page} title="Overview">
    <${Problems} nodes=${nodes} />
    <${Loaded} of=${overview} lines=${6}>${(data) => html`<div class="stack">
      <${Totals} data=${data} />
      <${Charts} data=${data} />
      <div class="grid">
        ${nodes.data.value ? nodes.data.value.map((node) => html`<${Server} key=${node.name} node=${node} data=${data} />`) : null}
        ${vhosts.value.length ? html`<${Connect} listeners=${data.listeners ?? []} />` : null}
      </div>
    </div>`}<//>
  <//>`;
}, 'Overview');

const rateOf = (data, name) => data.message_stats?.[`${name}_details`]?.rate ?? 0;

const Totals = view(({ data }) => {
  const { object_totals: objects, queue_totals: queues } = data;
  const tile = (label, value, to, query) => html`<a key=${to} class="tile" href=${link(to, query)}><span>${label}</span><b>${number(value)}</b></a>`;
  return html`<div class="tiles">
    <div class="tile"><${State} state="ready" /><b>${number(queues.messages_ready ?? 0)}</b></div>
    <div class="tile"><${State} state="unacked" /><b>${number(queues.messages_unacknowledged ?? 0)}</b></div>
    <div class="tile"><span>Published</span><b>${rate(rateOf(data, 'publish'))}</b></div>
    <div class="tile"><span>Delivered</span><b>${rate(rateOf(data, 'deliver_get'))}</b></div>
    <div class="tile"><span>Acked</span><b>${rate(rateOf(data, 'ack'))}</b></div>
    ${tile('Queues', objects.queues, '/queues')}${tile('Exchanges', objects.exchanges, '/exchanges')}${tile('Connections', objects.connections, '/connections')}
    ${tile('Channels', objects.channels, '/channels')}${tile('Consumers', objects.consumers, '/consumers')}
  </div>`;
}, 'Totals');

const oldestFirst = (details) => [...(details?.samples ?? [])].reverse();
const times = (samples) => samples.map((one) => one.timestamp / 1000);
const values = (samples) => samples.map((one) => one.sample);

const Charts = view(({ data }) => {
  const lengths = ['messages_ready', 'messages_unacknowledged'].map((name) => oldestFirst(data.queue_totals?.[`${name}_details`]));
  const rates = ['publish', 'deliver_get', 'ack', 'redeliver'].map((name) => perSecond(oldestFirst(data.message_stats?.[`${name}_details`])));
  return html`<div class="charts" tabindex="0" role="group" aria-label="The last minute">
    <${Chart} label="Messages in all queues" times=${times(lengths[0])} format=${number} series=${[
      { label: 'Ready', colour: '--ready', values: values(lengths[0]) }, { label: 'Unacked', colour: '--unacked', values: values(lengths[1]), dash: true }]} />
    <${Chart} label="Messages a second" times=${times(rates[0])} series=${[
      { label: 'Published', colour: '--line-1', values: values(rates[0]) }, { label: 'Delivered', colour: '--line-2', values: values(rates[1]) },
      { label: 'Acked', colour: '--line-3', values: values(rates[2]), dash: true }, { label: 'Redelivered', colour: '--line-4', values: values(rates[3]), dash: true }]} />
  </div>`;
}, 'Charts');

/** A bar that fills; it says its numbers as well. */
function Meter({ used, limit, isBad, children }) {
  const part = limit > 0 ? Math.min(1, used / limit) : 0;
  return html`<div class="meter-line"><div class="meter ${isBad ? 'is-bad' : part > 0.8 ? 'is-warn' : ''}" aria-hidden="true"><span style=${{ width: `${(part * 100).toFixed(1)}%` }}></span></div><span>${children}</span></div>`;
}

const Server = view(({ node, data }) => html`<${Card} title="Server">
  <${Facts} class="lines" items=${[
    ['Memory', html`<${Meter} used=${node.mem_used} limit=${node.mem_limit} isBad=${node.mem_alarm}>${bytes(node.mem_used)} of ${bytes(node.mem_limit)}<//>`, 'Publishers wait when the limit is reached'],
    node.disk_free ? ['Disk', html`${bytes(node.disk_free)} free <span class="quiet">(limit ${bytes(node.disk_free_limit)})</span>`] : ['Disk', 'not used: everything is in memory'],
    ['Connections', `${number(node.sockets_used)} of at most ${number(node.sockets_total)}`],
    ['Files', `${number(node.fd_used)} of ${number(node.fd_total)}`],
    ['Up for', duration(node.uptime)],
    ['Version', html`Coney ${data.product_version} <span class="quiet">(as RabbitMQ ${data.rabbitmq_version})</span>`],
  ]} /><//>`, 'Server');

const Connect = view(({ listeners }) => {
  const uri = uriOf(brokerIn(listeners), vhosts.value[0] ?? '/');
  return html`<${Card} title="Connect">
    <div class="stack">
      <div class="field"><span class="field-help">With any AMQP 0-9-1 client</span><div class="code"><pre tabindex="0" role="region" aria-label="URI"><code>${uri}</code></pre><${Copy} text=${uri} label="Copy the URI" /></div></div>
      <${Facts} class="lines" items=${listeners.map((one) => [one.protocol, html`<span class="mono">${one.ip_address.includes(':') ? `[${one.ip_address}]` : one.ip_address}:${one.port}</span>`])} />
    </div><//>`;
}, 'Connect');
