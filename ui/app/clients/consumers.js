/** The columns of a list of consumers, and the way to cancel one. */
import { del, url } from '../api.js';
import { html } from '../component.js';
import { duration, number } from '../format.js';
import { refresh } from '../live.js';
import { confirm } from '../parts/confirm.js';
import { Icon } from '../parts/icon.js';
import { Badge } from '../parts/state.js';
import { toast } from '../parts/toast.js';
import { can, session } from '../session.js';
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

/** As with a connection: administrators may, and whose it is. */
export const mayCancel = (row) => can('administrator') || (can('write') && row.channel_details.user === session.value?.name);

/** Asks, and cancels a consumer. */
export function cancelConsumer(row) {
  const { consumer_tag: tag, queue: { vhost, name }, channel_details: channel } = row;
  return confirm({
    title: `Cancel the consumer ${tag}?`,
    action: 'Cancel consumer',
    children: html`<p>It gets nothing more of the queue <b>${name}</b>; its client is told, if it can take that, and its connection and channel stay open. What it has not acked yet stays with its
      channel, where it may still be acked. Many clients do not consume again by themselves.</p>`,
    run: async () => {
      await del(url`/api/coney/queues/${vhost}/${name}/consumers/${channel.name}/${tag}`);
      for (const path of ['/api/consumers', '/api/channels', '/api/queues']) refresh(path);
      toast(`The consumer ${tag} is cancelled.`);
    },
  });
}

/** Only where somebody may. */
export const CancelButton = ({ row }) => (mayCancel(row)
  ? html`<button type="button" class="icon-button" aria-label=${`Cancel the consumer ${row.consumer_tag}`} title="Cancel this consumer" onClick=${() => cancelConsumer(row)}><${Icon} name="close" /></button>` : null);

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
    id: 'channel', title: 'Channel', min: 170, value: (row) => row.channel_details.name, text: (row) => row.channel_details.name,
    cell: (row) => html`<${ChannelLink} name=${row.channel_details.name} />`,
  },
  { id: 'user', title: 'User', spare: 1, width: 100, value: (row) => row.channel_details.user, cell: (row) => row.channel_details.user },
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
  { id: 'cancel', title: 'Cancel', width: 76, align: 'end', cell: (row) => html`<${CancelButton} row=${row} />` },
];

/**
 * Columns for who may change something, and for who may only look.
 * @template C
 * @param {C[]} columns
 * @returns {() => C[]} the same arrays each time
 */
export function columnsForWho(columns) {
  const forLooking = columns.filter(({ id }) => id !== 'cancel');
  return () => (can('write') ? columns : forLooking);
}
