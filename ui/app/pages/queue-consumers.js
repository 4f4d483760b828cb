/** Who consumes from a queue. */
import { html, view } from '../component.js';
import { CancelButton, columnsForWho } from '../clients/consumers.js';
import { duration, inline, number } from '../format.js';
import { link } from '../router.js';
import { Empty } from '../parts/empty.js';
import { Badge } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { isStream } from './queue-problem.js';

const ARGUMENT = (name, absent) => (it) => { const value = it.arguments?.[name]; return value === undefined ? html`<span class="quiet">${absent}</span>` : html`<span class="mono">${inline(value)}</span>`; };

const ALL = [
  { id: 'tag', title: 'Consumer tag', always: true, min: 170, value: (it) => it.consumer_tag, text: (it) => it.consumer_tag, cell: (it) => it.consumer_tag },
  { id: 'channel', title: 'Channel', min: 190, value: (it) => it.channel_details?.name, text: (it) => it.channel_details?.name,
    cell: (it) => html`<a href=${link(['channels', it.channel_details?.name ?? ''])}>${it.channel_details?.name}</a>` },
  { id: 'user', title: 'User', spare: 1, width: 110, value: (it) => it.channel_details?.user, text: (it) => it.channel_details?.user, cell: (it) => it.channel_details?.user },
  { id: 'state', title: 'State', width: 130, value: (it) => it.activity_status, cell: (it) => html`<${Badge} tone=${it.active ? 'good' : 'plain'}>${it.activity_status?.replaceAll('_', ' ')}<//>` },
  { id: 'ack', title: 'Acks', width: 100, value: (it) => Number(it.ack_required), cell: (it) => (it.ack_required ? 'by itself' : 'automatic'),
    help: 'Whether it acks messages itself, or they count as acked when they are sent' },
  { id: 'prefetch', title: 'Prefetch', width: 92, align: 'end', value: (it) => it.prefetch_count, cell: (it) => (it.prefetch_count ? number(it.prefetch_count) : html`<span class="quiet">no limit</span>`) },
  { id: 'timeout', title: 'Ack timeout', width: 110, align: 'end', value: (it) => it.consumer_timeout, cell: (it) => (typeof it.consumer_timeout === 'number' ? duration(it.consumer_timeout) : '–') },
  { id: 'exclusive', title: 'Exclusive', width: 96, hidden: true, value: (it) => Number(it.exclusive), cell: (it) => (it.exclusive ? 'yes' : 'no') },
  { id: 'arguments', title: 'Arguments', min: 160, hidden: true, cell: (it) => Object.entries(it.arguments ?? {}).map(([name, value]) => `${name} = ${inline(value)}`).join(', ') },
  { id: 'cancel', title: 'Cancel', width: 76, align: 'end', cell: (it) => html`<${CancelButton} row=${it} />` },
];
const columns = columnsForWho(ALL);

/** Readers of a stream say where they begin; nothing is taken back from them, and all of them ack. */
const ofStream = columnsForWho(ALL.flatMap((column) => {
  if (column.id === 'tag') return [{ ...column, title: 'Reader' }];
  if (['state', 'ack', 'timeout'].includes(column.id)) return [];
  if (column.id !== 'prefetch') return [column];
  return [
    { id: 'begins', title: 'Began at', min: 110, help: 'The argument x-stream-offset', cell: ARGUMENT('x-stream-offset', 'next') },
    { id: 'filter', title: 'Filter', min: 110, help: 'The argument x-stream-filter: only messages with such a value', cell: ARGUMENT('x-stream-filter', 'none') },
    column,
  ];
}));

const keyOf = (it) => `${it.channel_details?.name} ${it.consumer_tag}`;

export const Consumers = view(({ queue }) => html`<${Table} id="queue.${isStream(queue) ? 'readers' : 'consumers'}" label=${isStream(queue) ? 'Readers' : 'Consumers'} columns=${isStream(queue) ? ofStream() : columns()} rows=${queue.consumer_details ?? []} rowKey=${keyOf} sort="tag" sortName="order"
  empty=${isStream(queue) ? html`<${Empty} icon="consumers" title="Nobody reads this stream">Its messages are there for whoever comes, until they are too old or too many.<//>`
    : html`<${Empty} icon="consumers" title="Nobody consumes from this queue">Messages wait until an application does.<//>`} />`, 'QueueConsumers');
