/** One channel: its mode and prefetch, its rates, its consumers. */
import { html, view } from '../component.js';
import { channelLimit, channelMode, shortName } from '../clients/about.js';
import { columnsForWho, CONSUMER_COLUMNS, consumerKey, withUnacked } from '../clients/consumers.js';
import { ClientState, closeConnections, ConnectionLink, Prefetch } from '../clients/parts.js';
import { seriesOf } from '../clients/traffic.js';
import { url, withQuery } from '../api.js';
import { EventsOf } from '../failures/event-list.js';
import { number } from '../format.js';
import { live } from '../live.js';
import { Chart } from '../parts/chart.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Card, Facts, Page } from '../parts/page.js';
import { Notice } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Age } from '../parts/time.js';
import { go, link } from '../router.js';
import { can } from '../session.js';

const LINES = [
  { stat: 'publish', label: 'Publish', colour: '--ready' },
  { stat: 'deliver_get', label: 'Deliver', colour: '--accent' },
  { stat: 'ack', label: 'Ack', colour: '--good', dash: true },
  { stat: 'redeliver', label: 'Redeliver', colour: '--warn' },
];
const COUNTERS = [
  ['publish', 'Published'], ['confirm', 'Confirmed'], ['return_unroutable', 'Returned'], ['drop_unroutable', 'Unroutable'], ['deliver_get', 'Delivered'],
  ['redeliver', 'Redelivered'], ['ack', 'Acked'], ['get_empty', 'Gets of an empty queue'],
];
const columns = columnsForWho(CONSUMER_COLUMNS.filter((column) => !['channel', 'user'].includes(column.id)));

export default view(({ params }, self) => {
  const channel = self.keep('channel', () => live(withQuery(url`/api/channels/${params.name}`, { msg_rates_age: 60, msg_rates_incr: 1 })));
  const data = channel.data.value;
  const isGone = channel.error.value?.status === 404;
  const connection = params.name.replace(/ \(\d+\)$/, '');
  const crumbs = [['Connections', link('/connections')], [shortName(connection), link(['connections', connection])]];
  const title = data ? `Channel ${data.number}` : params.name;
  const close = () => closeConnections([{ name: connection, label: shortName(connection) }], () => go('/channels'));
  return html`<${Page} title=${title} name=${params.name} crumbs=${crumbs}
      actions=${data && !isGone && can('write') && html`<button type="button" class="button danger-quiet" onClick=${close}><${Icon} name="close" />Close its connection</button>`}>
    ${isGone ? html`<${Notice}>This channel is closed${data ? '. What stands here is the last that was seen' : ''}. <a href="#/channels">All channels</a><//>` : null}
    ${isGone && !data ? null : html`<${Loaded} of=${channel} lines=${8}>${(shown) => html`<${Details} channel=${shown} connection=${connection} />`}<//>`}
  <//>`;
}, 'Channel');

function Details({ channel, connection }) {
  const { times, series } = seriesOf(channel.message_stats, LINES);
  const limit = channelLimit(channel);
  const consumers = withUnacked(channel.consumer_details, [channel]);
  return html`${limit > 0 && channel.messages_unacknowledged >= limit ? html`<${Notice} tone="warn" title="Its prefetch is full">It has as many unacked messages as it may have, and gets no more until it acks some.
      A consumer that is slow wants more time or company; one that hangs is helped by an ack timeout.<//>` : null}
    <${Card}><${Facts} items=${facts(channel, connection, limit)} /><//>
    <${Card} title="Messages"><${Chart} label="Messages per second in the last minute" times=${times} series=${series} />
      <${Facts} class="counters" items=${COUNTERS.map(([stat, label]) => [label, number(channel.message_stats?.[stat] ?? 0)])} /><//>
    <section class="stack"><h2>Consumers</h2>
      <${Table} id="channel-consumers" label="Consumers of this channel" columns=${columns()} rows=${consumers} rowKey=${consumerKey} picker=${false} sort="tag" sortName="consumers"
        empty=${html`<${Empty} icon="consumers" title="Nothing consumes on this channel" />`} /></section>
    <${EventsOf} title="What happened on it" vhost=${channel.vhost} filter=${{ connection }} keep=${(event) => event.channel === channel.number} />`;
}

function facts(channel, connection, limit) {
  return [
    ['State', html`<${ClientState} state=${channel.state} />`],
    ['Connection', html`<${ConnectionLink} name=${connection} />`],
    ['User', channel.user],
    ['Virtual host', channel.vhost],
    ['Mode', channelMode(channel) || 'plain', 'Publisher confirms, transactions, or neither'],
    ['Unacked', html`<${Prefetch} unacked=${channel.messages_unacknowledged} limit=${limit} />`],
    ['Prefetch of each consumer', channel.prefetch_count ? number(channel.prefetch_count) : 'no limit'],
    ['Prefetch of the channel', channel.global_prefetch_count ? number(channel.global_prefetch_count) : 'no limit'],
    ['Unconfirmed', number(channel.messages_unconfirmed)],
    channel.transactional && ['Uncommitted', `${number(channel.messages_uncommitted)} messages, ${number(channel.acks_uncommitted)} acks`],
    ['Last change', html`<${Age} at=${channel.idle_since} />`],
  ];
}
