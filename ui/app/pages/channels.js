/** All channels. */
import { computed, html, view } from '../component.js';
import { channelLimit, channelMode } from '../clients/about.js';
import { ChannelLink, ClientState, listPath, Prefetch, Shown, TermsHelp } from '../clients/parts.js';
import { terms } from '../clients/terms.js';
import { number, rate } from '../format.js';
import { live } from '../live.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Page, VhostPicker } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { Age } from '../parts/time.js';
import { link, query } from '../router.js';

const FIELDS = [
  'name', 'number', 'user', 'vhost', 'state', 'confirm', 'transactional', 'consumer_count', 'prefetch_count', 'global_prefetch_count', 'messages_unacknowledged',
  'messages_unconfirmed', 'idle_since', 'message_stats', 'connection_details',
];

const SEARCHED = {
  name: (row) => row.name,
  user: (row) => row.user,
  vhost: (row) => row.vhost,
  state: (row) => row.state,
  mode: channelMode,
  unacked: (row) => row.messages_unacknowledged,
  consumers: (row) => row.consumer_count,
  from: (row) => row.connection_details?.peer_host,
};

const rateOf = (row, name) => row.message_stats?.[`${name}_details`]?.rate ?? 0;
const rateColumn = (id, title, stat, help) => ({ id, title, width: 92, align: 'end', help, value: (row) => rateOf(row, stat), cell: (row) => html`<span class=${rateOf(row, stat) ? '' : 'zero'}>${rate(rateOf(row, stat))}</span>` });
const use = (row) => (channelLimit(row) ? row.messages_unacknowledged / channelLimit(row) : 0);

/** The columns of a list of channels; those of a connection need not say whose they are. */
export const CHANNEL_COLUMNS = [
  { id: 'name', title: 'Channel', always: true, min: 200, value: (row) => row.name, cell: (row) => html`<${ChannelLink} name=${row.name} />`, text: (row) => row.name },
  { id: 'state', title: 'State', width: 96, value: (row) => row.state, cell: (row) => html`<${ClientState} state=${row.state} />` },
  { id: 'user', title: 'User', width: 100, value: (row) => row.user, cell: (row) => row.user, text: (row) => row.user },
  { id: 'vhost', title: 'Vhost', spare: 1, width: 90, value: (row) => row.vhost, cell: (row) => row.vhost, text: (row) => row.vhost },
  { id: 'mode', title: 'Mode', spare: 2, width: 104, value: channelMode, cell: (row) => channelMode(row) || html`<span class="quiet">–</span>`, help: 'Publisher confirms, or transactions' },
  { id: 'consumers', title: 'Consumers', width: 100, align: 'end', value: (row) => row.consumer_count, cell: (row) => number(row.consumer_count) },
  {
    id: 'prefetch', title: 'Prefetch in use', width: 164, value: use, help: 'Unacked messages of those that its consumers may have at a time',
    cell: (row) => html`<${Prefetch} unacked=${row.messages_unacknowledged} limit=${channelLimit(row)} />`,
  },
  { id: 'unconfirmed', title: 'Unconfirmed', width: 112, align: 'end', hidden: true, value: (row) => row.messages_unconfirmed, cell: (row) => number(row.messages_unconfirmed) },
  rateColumn('publish', 'Publish', 'publish', 'Messages that it publishes'),
  rateColumn('deliver', 'Deliver', 'deliver_get', 'Messages that it gets'),
  rateColumn('ack', 'Ack', 'ack', 'Messages that it acks'),
  { ...rateColumn('redeliver', 'Redeliver', 'redeliver', 'Messages that it gets again'), hidden: true },
  { ...rateColumn('returned', 'Returned', 'return_unroutable', 'Messages that went back to it, for no binding matched'), hidden: true },
  { id: 'idle', title: 'Last change', width: 110, align: 'end', hidden: true, value: (row) => row.idle_since, cell: (row) => html`<${Age} at=${row.idle_since} />` },
];

const HELP = html`<${TermsHelp} rows=${[
  ['user:guest', 'the user'], ['mode:confirms', 'publishers with confirms'], ['unacked:>100', 'many unacked messages'], ['consumers:>0', 'those that consume'], ['from:10.0.0.0/8', 'the address, or its network'],
]} />`;

export default view((_, self) => {
  const list = self.keep('list', () => live(() => listPath('channels', query.value.vhost, FIELDS), { keep: true }));
  const test = self.keep('test', () => computed(() => terms(query.value.filter ?? '', SEARCHED)));
  const rows = self.keep('rows', () => computed(() => list.data.value?.filter(test.value.test)));
  const all = list.data.value?.length ?? 0;
  const toolbar = html`<${Filter} label="Filter channels" placeholder="Filter: user:guest unacked:>100" help=${HELP} error=${test.value.error} /><${VhostPicker} />`;
  const note = rows.value && html`<${Shown} rows=${rows.value.length} all=${all} what="channel" />`;
  return html`<${Page} title="Channels" fill>
    <${Loaded} of=${list}>${() => html`<${Table} id="channels" label="Channels" columns=${CHANNEL_COLUMNS} rows=${rows.value} rowKey=${(row) => row.name} href=${(row) => link(['channels', row.name])}
      sort="name" toolbar=${toolbar} note=${note}
      empty=${html`<${Empty} icon="channels" title=${all ? 'No channel matches' : 'No channel is open'}>${all ? 'Change the filter to see others.' : 'Connections open channels to publish and to consume.'}<//>`} />`}<//>
  <//>`;
}, 'Channels');
