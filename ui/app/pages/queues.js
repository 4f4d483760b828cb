/** All queues, however many: by pages, sorted and filtered by the server. */
import { html, view } from '../component.js';
import { number, plural, rate } from '../format.js';
import { link, query } from '../router.js';
import { can, knownVhosts, vhosts } from '../session.js';
import { Sparkline } from '../parts/chart.js';
import { Empty, Skeleton } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Page, VhostPicker } from '../parts/page.js';
import { pagesOf } from '../parts/pages.js';
import { Badge, Notice } from '../parts/state.js';
import { Table, sortOf } from '../parts/table.js';
import { url } from '../api.js';
import { newQueue } from './queue-new.js';
import { isStream, problemOf, readyOf } from './queue-problem.js';

const count = (value) => html`<span class=${value ? undefined : 'zero'}>${number(value)}</span>`;
const perSecond = (value) => html`<span class=${value ? undefined : 'zero'}>${rate(value ?? 0)}</span>`;
/** What only queues have. */
const ofQueue = (queue, value) => (isStream(queue) ? html`<span class="quiet" title="Messages stay in a stream">–</span>` : count(value));
const samples = (queue) => queue.messages_details?.samples?.map((one) => one.sample).reverse();

const columnsOf = (hasVhosts) => [
  { id: 'name', title: 'Name', sort: 'name', always: true, min: 160, text: (queue) => queue.name,
    cell: (queue) => html`<a href=${link(['queues', queue.vhost, queue.name])}>${queue.name}</a>${isStream(queue) ? html` <${Badge}>stream<//>` : null}` },
  { id: 'vhost', title: 'Vhost', sort: 'vhost', width: 84, hidden: !hasVhosts, phone: hasVhosts, text: (queue) => queue.vhost, cell: (queue) => queue.vhost },
  { id: 'problem', title: 'Problem', width: 164, phone: true, bare: true, help: 'What keeps messages from being consumed', text: (queue) => problemOf(queue)?.help,
    cell: (queue) => { const problem = problemOf(queue); return problem ? html`<${Badge} tone=${problem.tone} icon=${problem.icon}>${problem.label}<//>` : null; } },
  { id: 'messages', title: 'Messages', phone: true, sort: 'messages', width: 104, align: 'end', cell: (queue) => count(queue.messages) },
  { id: 'trend', title: 'Last minute', spare: 1, width: 96, help: 'Messages in the queue over the last minute', cell: (queue) => html`<${Sparkline} values=${samples(queue)} />` },
  { id: 'ready', title: 'Ready', sort: 'messages_ready', spare: 2, width: 92, align: 'end', cell: (queue) => ofQueue(queue, readyOf(queue)) },
  { id: 'unacked', title: 'Unacked', sort: 'messages_unacknowledged', width: 88, align: 'end', cell: (queue) => count(queue.messages_unacknowledged) },
  { id: 'delayed', title: 'Delayed', sort: 'messages_delayed', spare: 4, width: 88, align: 'end', cell: (queue) => ofQueue(queue, queue.messages_delayed) },
  { id: 'parked', title: 'Parked', sort: 'messages_parked', spare: 3, width: 88, align: 'end', cell: (queue) => ofQueue(queue, queue.messages_parked) },
  { id: 'in', title: 'In', phone: true, sort: 'message_stats.publish_details.rate', width: 88, align: 'end', help: 'Published a second', cell: (queue) => perSecond(queue.message_stats?.publish_details?.rate) },
  { id: 'out', title: 'Out', phone: true, sort: 'message_stats.deliver_get_details.rate', width: 88, align: 'end', help: 'Delivered a second', cell: (queue) => perSecond(queue.message_stats?.deliver_get_details?.rate) },
  { id: 'consumers', title: 'Consumers', sort: 'consumers', width: 96, align: 'end', cell: (queue) => count(queue.consumers) },
];

/** Where there is one vhost, and where there are more. */
const COLUMNS = [columnsOf(false), columnsOf(true)];

const FIELDS = ['name', 'vhost', 'type', 'state', 'durable', 'exclusive', 'auto_delete', 'policy', 'operator_policy', 'arguments', 'messages', 'messages_ready', 'messages_unacknowledged',
  'messages_delayed', 'messages_parked', 'consumers', 'consumer_capacity', 'message_bytes', 'memory', 'head_message_timestamp', 'message_stats.publish_details.rate',
  'message_stats.deliver_get_details.rate', 'message_stats.ack_details.rate', 'message_stats.redeliver_details.rate', 'messages_details'].join(',');

export default view((_, self) => {
  const pages = self.keep('pages', () => pagesOf(() => {
    const { by, desc } = sortOf('sort', '');
    const { vhost, filter = '' } = query.value;
    const sort = COLUMNS[0].find((column) => column.id === by)?.sort;
    return {
      path: vhost ? url`/api/queues/${vhost}` : '/api/queues', name: filter, sort, sort_reverse: desc || undefined,
      lengths_age: 60, lengths_incr: 5, columns: FIELDS,
    };
  }));
  const error = pages.error.value;
  const { source } = pages;
  const toolbar = html`<${Filter} label="Filter by name" /><${VhostPicker} />`;
  const empty = pages.isLoading.value || error ? html`<${Skeleton} lines=${8} />` : query.value.filter
    ? html`<${Empty} icon="search" title="No queue has this in its name" />`
    : vhosts.value.length === 0 ? html`<${Empty} icon="lock" title="You may enter no virtual host">An administrator can give you permissions.<//>`
      : html`<${Empty} icon="queues" title="No queues yet">Applications declare them when they begin to consume.<//>`;
  const vhost = query.value.vhost;
  const mayAdd = vhost ? can('write', vhost) : can('write') && vhosts.value.length > 0;
  const add = html`<button type="button" class="button primary" onClick=${() => newQueue(vhost)}><${Icon} name="plus" />New queue</button>`;
  return html`<${Page} title="Queues" fill actions=${mayAdd ? add : null}>
    ${error ? html`<${Notice} tone="bad">${error.message}<//>` : null}
    <${Table} id="queues" label="Queues" columns=${COLUMNS[knownVhosts.value.length > 1 && !vhost ? 1 : 0]} source=${source} rowKey=${keyOf} href=${hrefOf} toolbar=${toolbar} empty=${empty}
      note=${html`<${Count} pages=${pages} />`} />
  <//>`;
}, 'Queues');

const Count = view(({ pages }) => html`<span class="quiet num" role="status">${pages.isLoading.value ? 'Loading' : pages.total.value === pages.source.count
  ? plural(pages.source.count, 'queue') : `${number(pages.source.count)} of ${plural(pages.total.value, 'queue')}`}</span>`, 'Count');

const keyOf = (queue) => `${queue.vhost}/${queue.name}`;
const hrefOf = (queue) => link(['queues', queue.vhost, queue.name]);
