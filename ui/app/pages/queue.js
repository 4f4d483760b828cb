/** One queue: its numbers, and a tab for each way to look at it. */
import { html, view } from '../component.js';
import { url } from '../api.js';
import { bytes, duration, instant, number, rate } from '../format.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { can } from '../session.js';
import { Chart } from '../parts/chart.js';
import { Copy } from '../parts/copy.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Menu } from '../parts/menu.js';
import { Page } from '../parts/page.js';
import { Publish } from '../parts/publish.js';
import { Badge, State } from '../parts/state.js';
import { Tabs } from '../parts/tabs.js';
import { Age } from '../parts/time.js';
import { Bindings } from './queue-bindings.js';
import { Consumers } from './queue-consumers.js';
import { deleteQueue, exportQueue, importQueue, purgeQueue, purgeable } from './queue-actions.js';
import { Failures } from './queue-failures.js';
import { Messages } from './queue-messages.js';
import { isStream, problemOf, readyOf } from './queue-problem.js';
import { Settings } from './queue-settings.js';
import { Cursors } from './queue-cursors.js';
import { StreamTiles } from './queue-stream.js';

export default view(({ params: { vhost, name } }, self) => {
  const path = url`/api/queues/${vhost}/${name}`;
  const queue = self.keep('queue', () => live(`${path}?lengths_age=60&lengths_incr=1&msg_rates_age=60&msg_rates_incr=1`));
  const missing = html`<${Empty} icon="queues" title="There is no such queue" actions=${html`<a class="button" href=${link('/queues')}>To the queues</a>`}>It was deleted, or you may not see it.<//>`;
  const data = queue.data.value;
  const isGone = queue.error.value?.status === 404;
  return html`<${Page} title=${name} beside=${html`<${Copy} text=${name} label="Copy the name" />`} crumbs=${[['Queues', link('/queues')]]}
    lead=${data && !isGone ? html`<${Lead} queue=${data} />` : null} actions=${data && !isGone ? html`<${Actions} queue=${data} />` : null}>
    ${isGone ? missing : html`<${Loaded} of=${queue}>${(found) => html`<div class="stack"><${Numbers} queue=${found} /><${Parts} queue=${found} /></div>`}<//>`}
  <//>`;
}, 'Queue');

const Lead = view(({ queue }) => {
  const problem = problemOf(queue);
  const kinds = [queue.type !== 'classic' && queue.type, queue.durable ? 'durable' : 'transient', queue.exclusive && 'exclusive', queue.auto_delete && 'deletes itself'].filter(Boolean);
  return html`<span class="row">
    ${problem ? html`<${Badge} tone=${problem.tone} icon=${problem.icon} title=${problem.help}>${problem.label}<//>` : null}
    <span>${[queue.vhost === '/' ? null : `vhost ${queue.vhost}`, ...kinds].filter(Boolean).join(' · ')}</span>
    ${queue.policy ? html`<span>policy <a href=${link(['policies', queue.vhost, queue.policy])}>${queue.policy}</a></span>` : null}
    ${queue.operator_policy ? html`<span>operator policy <b>${queue.operator_policy}</b></span>` : null}
  </span>`;
}, 'Lead');

const Actions = view(({ queue }) => {
  const mayWrite = can('write', queue.vhost);
  return html`${mayWrite && !isStream(queue) ? html`<button type="button" class="button" disabled=${purgeable(queue) === 0} onClick=${() => purgeQueue(queue)}><${Icon} name="trash" />Purge${purgeable(queue) ? ` ${number(purgeable(queue))}` : ''}</button>` : null}
    <${Menu} label="More" items=${[
      mayWrite && !isStream(queue) && { label: 'Save messages to a file', icon: 'download', run: () => exportQueue(queue) },
      mayWrite && can('administrator') && { label: 'Load messages from a file', icon: 'upload', run: () => importQueue(queue) },
      mayWrite && { label: isStream(queue) ? 'Delete the stream' : 'Delete the queue', icon: 'trash', danger: true, run: () => deleteQueue(queue) },
    ]} />`;
}, 'Actions');

const countOf = (queue, state) => (state === 'ready' ? readyOf(queue) : queue[state === 'unacked' ? 'messages_unacknowledged' : `messages_${state}`] ?? 0);
const rateOf = (queue, name) => queue.message_stats?.[`${name}_details`]?.rate ?? 0;

/** Samples of the server, newest first, as the chart has them. */
function history(queue) {
  const lengths = ['messages_ready', 'messages_unacknowledged'].map((name) => [...(queue[`${name}_details`]?.samples ?? [])].reverse());
  const rates = ['publish', 'deliver_get', 'ack'].map((name) => perSecond([...(queue.message_stats?.[`${name}_details`]?.samples ?? [])].reverse()));
  return { lengths, rates };
}

/** Counters as what was added a second, between samples. */
export function perSecond(samples) {
  return samples.slice(1).map((one, i) => ({
    timestamp: one.timestamp,
    sample: Math.max(0, ((one.sample - samples[i].sample) * 1000) / Math.max(1, one.timestamp - samples[i].timestamp)),
  }));
}

const times = (samples) => samples.map((one) => one.timestamp / 1000);
const values = (samples) => samples.map((one) => one.sample);

const Numbers = view(({ queue }) => {
  const { lengths: [ready, unacked], rates: [published, delivered, acked] } = history(queue);
  return html`<div class="queue-numbers">
    ${isStream(queue) ? html`<${StreamTiles} queue=${queue} />` : html`<${Tiles} queue=${queue} />`}
    <div class="charts" tabindex="0" role="group" aria-label="The last minute">
      <${Chart} label=${isStream(queue) ? 'Messages in the stream' : 'Messages in the queue'} times=${times(ready)} format=${number} height=${132} series=${[
        { label: isStream(queue) ? 'Messages' : 'Ready', colour: '--ready', values: values(ready) }, { label: 'Unacked', colour: '--unacked', values: values(unacked), dash: true }]} />
      <${Chart} label="Messages a second" times=${times(published)} height=${132} series=${[
        { label: 'In', colour: '--line-1', values: values(published) }, { label: 'Out', colour: '--line-2', values: values(delivered) }, { label: 'Acked', colour: '--line-3', values: values(acked), dash: true }]} />
    </div>
  </div>`;
}, 'Numbers');

const Tiles = view(({ queue }) => html`<div class="tiles">
    ${['ready', 'unacked', 'delayed', 'parked'].map((state) => html`<div key=${state} class="tile"><${State} state=${state} /><b>${number(countOf(queue, state))}</b></div>`)}
    <div class="tile"><span>In</span><b>${rate(rateOf(queue, 'publish'))}</b></div>
    <div class="tile"><span>Out</span><b>${rate(rateOf(queue, 'deliver_get'))}</b></div>
    <div class="tile"><span>Acked</span><b>${rate(rateOf(queue, 'ack'))}</b></div>
    <div class="tile"><span>Redelivered</span><b>${rate(rateOf(queue, 'redeliver'))}</b></div>
    <div class="tile"><span>Size</span><b>${bytes(queue.message_bytes)}</b></div>
    <div class="tile"><span>${queue.head_message_timestamp ? 'Oldest' : 'Idle for'}</span><b>${queue.head_message_timestamp ? html`<${Age} at=${queue.head_message_timestamp} />`
      : idle(queue)}</b></div>
  </div>`, 'Tiles');

const idle = (queue) => {
  const ms = Date.now() - (instant(queue.idle_since) ?? Date.now());
  return ms < 2000 ? '–' : html`<span title="Nothing was published, delivered or acked">${duration(ms)}</span>`;
};

const Parts = view(({ queue }) => {
  const { vhost, name } = queue;
  const messages = (state, count) => ({ draw: () => html`<${Messages} key=${state} vhost=${vhost} name=${name} state=${state} count=${count} consumers=${queue.consumer_details} log=${isStream(queue) ? queue : null} />`, count });
  const isLog = isStream(queue);
  return html`<${Tabs} label=${isLog ? 'Stream' : 'Queue'} tabs=${[
    { id: 'messages', label: 'Messages', ...messages('ready', readyOf(queue)) },
    { id: 'unacked', label: 'Unacked', hidden: isLog, ...messages('unacked', queue.messages_unacknowledged) },
    { id: 'delayed', label: 'Delayed', hidden: isLog, ...messages('delayed', queue.messages_delayed) },
    { id: 'parked', label: 'Parked', hidden: isLog, ...messages('parked', queue.messages_parked) },
    { id: 'failures', label: 'Failures', draw: () => html`<${Failures} vhost=${vhost} name=${name} />` },
    { id: 'consumers', label: isLog ? 'Readers' : 'Consumers', count: queue.consumers, draw: () => html`<${Consumers} queue=${queue} />` },
    { id: 'cursors', label: 'Cursors', hidden: !isLog, count: queue.cursors?.length, draw: () => html`<${Cursors} queue=${queue} />` },
    { id: 'bindings', label: 'Bindings', draw: () => html`<${Bindings} vhost=${vhost} name=${name} />` },
    { id: 'settings', label: 'Settings', draw: () => html`<${Settings} queue=${queue} />` },
    { id: 'publish', label: 'Publish', hidden: !can('write', vhost), draw: () => html`<${Publish} vhost=${vhost} exchange="" routingKey=${name} />` },
  ]} />`;
}, 'Parts');
