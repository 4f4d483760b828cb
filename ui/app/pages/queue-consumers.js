/** Who consumes from a queue. */
import { html, view } from '../component.js';
import { CancelButton, columnsForWho } from '../clients/consumers.js';
import { duration, inline, number } from '../format.js';
import { link } from '../router.js';
import { Empty } from '../parts/empty.js';
import { Badge } from '../parts/state.js';
import { Table } from '../parts/table.js';

const columns = columnsForWho([
  { id: 'tag', title: 'Consumer tag', always: true, min: 170, value: (it) => it.consumer_tag, text: (it) => it.consumer_tag, cell: (it) => it.consumer_tag },
  { id: 'channel', title: 'Channel', min: 230, value: (it) => it.channel_details?.name, text: (it) => it.channel_details?.name,
    cell: (it) => html`<a href=${link(['channels', it.channel_details?.name ?? ''])}>${it.channel_details?.name}</a>` },
  { id: 'user', title: 'User', width: 110, value: (it) => it.channel_details?.user, text: (it) => it.channel_details?.user, cell: (it) => it.channel_details?.user },
  { id: 'state', title: 'State', width: 130, value: (it) => it.activity_status, cell: (it) => html`<${Badge} tone=${it.active ? 'good' : 'plain'}>${it.activity_status?.replaceAll('_', ' ')}<//>` },
  { id: 'ack', title: 'Acks', width: 100, value: (it) => Number(it.ack_required), cell: (it) => (it.ack_required ? 'by itself' : 'automatic'),
    help: 'Whether it acks messages itself, or they count as acked when they are sent' },
  { id: 'prefetch', title: 'Prefetch', width: 92, align: 'end', value: (it) => it.prefetch_count, cell: (it) => (it.prefetch_count ? number(it.prefetch_count) : html`<span class="quiet">no limit</span>`) },
  { id: 'timeout', title: 'Ack timeout', width: 110, align: 'end', value: (it) => it.consumer_timeout, cell: (it) => (typeof it.consumer_timeout === 'number' ? duration(it.consumer_timeout) : '–') },
  { id: 'exclusive', title: 'Exclusive', width: 96, hidden: true, value: (it) => Number(it.exclusive), cell: (it) => (it.exclusive ? 'yes' : 'no') },
  { id: 'arguments', title: 'Arguments', min: 160, hidden: true, cell: (it) => Object.entries(it.arguments ?? {}).map(([name, value]) => `${name} = ${inline(value)}`).join(', ') },
  { id: 'cancel', title: 'Cancel', width: 76, align: 'end', cell: (it) => html`<${CancelButton} row=${it} />` },
]);

const keyOf = (it) => `${it.channel_details?.name} ${it.consumer_tag}`;

export const Consumers = view(({ queue }) => html`<${Table} id="queue.consumers" label="Consumers" columns=${columns()} rows=${queue.consumer_details ?? []} rowKey=${keyOf} sort="tag" sortName="order"
  empty=${html`<${Empty} icon="consumers" title="Nobody consumes from this queue">Messages wait until an application does.<//>`} />`, 'QueueConsumers');
