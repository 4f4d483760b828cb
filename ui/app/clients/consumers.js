/** The columns of a list of consumers. */
import { html } from '../component.js';
import { duration, number } from '../format.js';
import { Badge } from '../parts/state.js';
import { ChannelLink, Prefetch, QueueLink } from './parts.js';

/** What makes a consumer the one that it is. */
export const consumerKey = (row) => `${row.channel_details.name} ${row.consumer_tag}`;

const STATUS = {
  up: ['good', 'up', 'It gets messages'],
  single_active: ['good', 'active', 'The one of several that gets messages'],
  waiting: ['plain', 'waiting', 'Another consumer is the active one; it takes over if that one goes'],
};

export const CONSUMERS_SEARCHED = {
  tag: (row) => row.consumer_tag,
  queue: (row) => row.queue?.name,
  vhost: (row) => row.queue?.vhost,
  user: (row) => row.channel_details.user,
  from: (row) => row.channel_details.peer_host,
  ack: (row) => (row.ack_required ? 'yes' : 'no'),
  prefetch: (row) => row.prefetch_count,
};

/**
 * The unacked messages of those that are alone on their channel; of others nobody tells how they share.
 * @param {any[]} consumers
 * @param {any[] | undefined} channels
 */
export function withUnacked(consumers, channels = []) {
  const alone = new Map(channels.filter((channel) => channel.consumer_count === 1).map((channel) => [channel.name, channel.messages_unacknowledged]));
  return consumers.map((consumer) => ({ ...consumer, unacked: alone.get(consumer.channel_details.name) }));
}

function Status({ row }) {
  const [tone, words, help] = STATUS[row.activity_status] ?? ['plain', row.activity_status, undefined];
  return html`<${Badge} tone=${tone} title=${help}>${words}<//>`;
}

function PrefetchCell({ row }) {
  if (!row.ack_required) return html`<span class="quiet" title="Without acks there is no prefetch">–</span>`;
  if (row.unacked !== undefined) return html`<${Prefetch} unacked=${row.unacked} limit=${row.prefetch_count} />`;
  return row.prefetch_count ? number(row.prefetch_count) : html`<span class="quiet">no limit</span>`;
}

export const CONSUMER_COLUMNS = [
  { id: 'tag', title: 'Consumer tag', always: true, min: 150, value: (row) => row.consumer_tag, cell: (row) => html`<span class="name">${row.consumer_tag}</span>`, text: (row) => row.consumer_tag },
  {
    id: 'queue', title: 'Queue', min: 140, value: (row) => row.queue?.name, text: (row) => row.queue?.name,
    cell: (row) => html`<${QueueLink} vhost=${row.queue.vhost} name=${row.queue.name} query=${{ tab: 'consumers' }} />`,
  },
  { id: 'vhost', title: 'Vhost', width: 90, hidden: true, value: (row) => row.queue?.vhost, cell: (row) => row.queue?.vhost },
  {
    id: 'channel', title: 'Channel', min: 190, value: (row) => row.channel_details.name, text: (row) => row.channel_details.name,
    cell: (row) => html`<${ChannelLink} name=${row.channel_details.name} />`,
  },
  { id: 'user', title: 'User', width: 100, value: (row) => row.channel_details.user, cell: (row) => row.channel_details.user },
  { id: 'status', title: 'State', width: 96, value: (row) => row.activity_status, cell: (row) => html`<${Status} row=${row} />` },
  {
    id: 'ack', title: 'Acks', width: 92, value: (row) => Number(row.ack_required),
    cell: (row) => (row.ack_required ? 'by client' : html`<${Badge} tone="warn" title="A message counts as done when it is sent: what the client loses is lost">none<//>`),
  },
  { id: 'prefetch', title: 'Prefetch in use', width: 164, value: (row) => row.prefetch_count, cell: (row) => html`<${PrefetchCell} row=${row} />` },
  {
    id: 'timeout', title: 'Ack timeout', width: 104, align: 'end', value: (row) => row.consumer_timeout,
    cell: (row) => (row.consumer_timeout ? duration(row.consumer_timeout) : html`<span class="quiet">none</span>`), help: 'How long it may take to ack a message',
  },
  { id: 'exclusive', title: 'Exclusive', width: 92, hidden: true, value: (row) => Number(row.exclusive), cell: (row) => (row.exclusive ? 'yes' : 'no') },
  {
    id: 'arguments', title: 'Arguments', min: 160, hidden: true, cell: (row) => (Object.keys(row.arguments).length ? html`<code>${JSON.stringify(row.arguments)}</code>` : html`<span class="quiet">–</span>`),
    text: (row) => JSON.stringify(row.arguments),
  },
];
