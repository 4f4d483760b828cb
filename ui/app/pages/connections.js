/** All connections. */
import { computed, html, view } from '../component.js';
import { clientName, library, security } from '../clients/about.js';
import { ClientState, closeConnections, ConnectionLink, listPath, Shown, TermsHelp } from '../clients/parts.js';
import { terms } from '../clients/terms.js';
import { bytes, number } from '../format.js';
import { live } from '../live.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Page, VhostPicker } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { Age } from '../parts/time.js';
import { link, query } from '../router.js';
import { can } from '../session.js';

const FIELDS = [
  'name', 'user', 'vhost', 'state', 'channels', 'peer_host', 'peer_port', 'ssl', 'ssl_protocol', 'ssl_cipher', 'peer_cert_subject', 'connected_at', 'timeout', 'protocol',
  'frame_max', 'user_provided_name', 'client_properties', 'recv_oct_details.rate', 'send_oct_details.rate', 'auth_mechanism',
];

const SEARCHED = {
  name: clientName,
  client: library,
  user: (row) => row.user,
  vhost: (row) => row.vhost,
  state: (row) => row.state,
  from: (row) => row.peer_host,
  channels: (row) => row.channels,
  tls: (row) => (row.ssl ? 'yes' : 'no'),
};

const received = (row) => row.recv_oct_details?.rate ?? 0;
const sent = (row) => row.send_oct_details?.rate ?? 0;
const traffic = (rate) => html`<span class=${rate ? '' : 'zero'}>${bytes(rate)}/s</span>`;

const COLUMNS = [
  { id: 'name', title: 'Name', always: true, min: 180, value: clientName, text: (row) => row.name, cell: (row) => html`<${ConnectionLink} name=${row.name}>${clientName(row)}<//>` },
  { id: 'client', title: 'Client', min: 150, value: library, text: library, cell: (row) => html`<span class="quiet">${library(row)}</span>` },
  { id: 'state', title: 'State', width: 96, value: (row) => row.state, cell: (row) => html`<${ClientState} state=${row.state} />` },
  { id: 'user', title: 'User', width: 100, value: (row) => row.user, cell: (row) => row.user, text: (row) => row.user },
  { id: 'vhost', title: 'Vhost', width: 84, value: (row) => row.vhost, cell: (row) => row.vhost, text: (row) => row.vhost },
  {
    id: 'tls', title: 'TLS', width: 56, value: (row) => Number(row.ssl), help: 'Whether it is encrypted',
    cell: (row) => (row.ssl ? html`<span title=${security(row)}><${Icon} name="lock" label=${security(row)} /></span>` : html`<span class="quiet" title="Not encrypted">–</span>`),
  },
  { id: 'channels', title: 'Channels', width: 88, align: 'end', value: (row) => row.channels, cell: (row) => number(row.channels) },
  { id: 'in', title: 'In', width: 100, align: 'end', value: received, cell: (row) => traffic(received(row)), help: 'What the client sends' },
  { id: 'out', title: 'Out', width: 100, align: 'end', value: sent, cell: (row) => traffic(sent(row)), help: 'What the broker sends' },
  { id: 'connected', title: 'Since', spare: 1, width: 76, align: 'end', value: (row) => -row.connected_at, cell: (row) => html`<${Age} at=${row.connected_at} />`, help: 'How long it has been open' },
  { id: 'from', title: 'From', width: 160, hidden: true, value: (row) => row.peer_host, cell: (row) => html`${row.peer_host}<span class="quiet">:${row.peer_port}</span>`, text: (row) => `${row.peer_host}:${row.peer_port}` },
  { id: 'heartbeat', title: 'Heartbeat', width: 96, align: 'end', hidden: true, value: (row) => row.timeout, cell: (row) => (row.timeout ? `${row.timeout} s` : 'off') },
  { id: 'auth', title: 'Login', width: 96, hidden: true, value: (row) => row.auth_mechanism, cell: (row) => row.auth_mechanism },
  { id: 'frame', title: 'Frame max', width: 100, align: 'end', hidden: true, value: (row) => row.frame_max, cell: (row) => bytes(row.frame_max) },
];

const HELP = html`<${TermsHelp} rows=${[
  ['user:guest', 'the user'], ['vhost:/', 'the virtual host'], ['state:blocked', 'the state'], ['from:10.0.0.0/8', 'the address, or its network'],
  ['channels:>10', 'how many channels'], ['tls:no', 'not encrypted'], ['-client:pika', 'another library'],
]} />`;

export default view((_, self) => {
  const list = self.keep('list', () => live(() => listPath('connections', query.value.vhost, FIELDS), { keep: true }));
  const selected = self.signal('selected', new Set());
  const test = self.keep('test', () => computed(() => terms(query.value.filter ?? '', SEARCHED)));
  const rows = self.keep('rows', () => computed(() => list.data.value?.filter(test.value.test)));
  const all = list.data.value?.length ?? 0;
  const chosen = (rows.value ?? []).filter((row) => selected.value.has(row.name));
  const close = () => closeConnections(chosen.map((row) => ({ name: row.name, label: clientName(row) })), () => { selected.value = new Set(); });
  const toolbar = html`<${Filter} label="Filter connections" placeholder="Filter: orders user:guest from:10.0.0.0/8" help=${HELP} error=${test.value.error} /><${VhostPicker} />
    ${chosen.length > 0 ? html`<button type="button" class="button danger" onClick=${close}>Close ${number(chosen.length)}</button>` : null}`;
  const note = rows.value && html`<${Shown} rows=${rows.value.length} all=${all} what="connection" />`;
  return html`<${Page} title="Connections" fill>
    <${Loaded} of=${list}>${() => html`<${Table} id="connections" label="Connections" columns=${COLUMNS} rows=${rows.value} rowKey=${(row) => row.name} href=${(row) => link(['connections', row.name])}
      selected=${can('write') ? selected : undefined} sort="name" toolbar=${toolbar} note=${note} rowClass=${(row) => (row.state === 'blocked' ? 'row-bad' : undefined)}
      empty=${html`<${Empty} icon="connections" title=${all ? 'No connection matches' : 'Nobody is connected'}>${all ? 'Change the filter to see others.' : 'Clients that connect by AMQP appear here at once.'}<//>`} />`}<//>
  <//>`;
}, 'Connections');
