/** One connection: who it is, what goes over it, its channels, and what went wrong on it. */
import { html, view } from '../component.js';
import { capabilities, clientName, library, properties, security, tlsRows } from '../clients/about.js';
import { ClientState, closeConnections } from '../clients/parts.js';
import { seriesOf } from '../clients/traffic.js';
import { url, withQuery } from '../api.js';
import { bytes, number } from '../format.js';
import { EventsOf } from '../failures/event-list.js';
import { live } from '../live.js';
import { Chart } from '../parts/chart.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Card, Facts, Page } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Age } from '../parts/time.js';
import { go, link } from '../router.js';
import { can } from '../session.js';
import { CHANNEL_COLUMNS } from './channels.js';

const LINES = [
  { stat: 'recv_oct', label: 'From client', colour: '--ready' },
  { stat: 'send_oct', label: 'To client', colour: '--accent' },
];
const COLUMNS = CHANNEL_COLUMNS.filter((column) => !['user', 'vhost'].includes(column.id)).map((column) => (column.id === 'name'
  ? { ...column, min: 100, cell: (row) => html`<a class="name" href=${link(['channels', row.name])}>Channel ${row.number}</a>`, value: (row) => row.number } : column));

const CRUMBS = [['Connections', link('/connections')]];
const perSecond = (value) => `${bytes(value)}/s`;

export default view(({ params }, self) => {
  const connection = self.keep('connection', () => live(withQuery(url`/api/connections/${params.name}`, { data_rates_age: 60, data_rates_incr: 1 })));
  const channels = self.keep('channels', () => live(url`/api/connections/${params.name}/channels`));
  const data = connection.data.value;
  const label = data ? clientName(data) : params.name;
  const close = () => closeConnections([{ name: params.name, label }], () => go('/connections'));
  const isGone = connection.error.value?.status === 404;
  return html`<${Page} title=${label} name=${label} crumbs=${CRUMBS} lead=${data && html`${library(data)}${label === data.name ? '' : ` · ${data.name}`}`}
      actions=${data && !isGone && can('write') && html`<button type="button" class="button danger-quiet" onClick=${close}><${Icon} name="close" />Close connection</button>`}>
    ${isGone ? html`<${Notice}>This connection is closed${data ? '. What stands here is the last that was seen' : ''}. <a href="#/connections">All connections</a><//>` : null}
    ${data?.state === 'blocked' ? html`<${Notice} tone="bad" title="Its publishes are blocked">The broker is short of memory or disk space, and reads nothing more of this connection until that is over. <a href="#/">Overview</a><//>` : null}
    ${isGone && !data ? null : html`<${Loaded} of=${connection} lines=${8}>${(shown) => html`<${Details} connection=${shown} channels=${channels} />`}<//>`}
  <//>`;
}, 'Connection');

function Details({ connection, channels }) {
  const { times, series } = seriesOf(connection, LINES);
  return html`<${Card}><${Facts} items=${facts(connection)} /><//>
    <${Card} title="Traffic"><${Chart} label="Bytes per second in the last minute" times=${times} series=${series} format=${perSecond} />
      <p class="quiet small">${bytes(connection.recv_oct)} from the client and ${bytes(connection.send_oct)} to it so far.</p><//>
    <section class="stack"><h2>Channels</h2>
      <${Loaded} of=${channels}>${(rows) => html`<${Table} id="connection-channels" label="Channels of this connection" columns=${COLUMNS} rows=${rows} rowKey=${(row) => row.name} picker=${false} sort="name" sortName="channels"
        href=${(row) => link(['channels', row.name])} empty=${html`<${Empty} icon="channels" title="No channel is open" />`} />`}<//></section>
    <${EventsOf} title="What happened on it" vhost=${connection.vhost} filter=${{ connection: connection.name }} />
    <div class="grid">
      <${Card} title="What the client says about itself"><${Facts} class="lines" items=${properties(connection)} />
        <div class="row capabilities">${capabilities(connection).map(({ name, has }) => html`<${Badge} key=${name} icon=${has ? 'check' : 'close'}>${name}<//>`)}</div><//>
      ${connection.ssl ? html`<${Card} title="Encryption"><${Facts} class="lines" items=${tlsRows(connection)} /><//>` : null}
    </div>`;
}

function facts(connection) {
  return [
    ['State', html`<${ClientState} state=${connection.state} />`],
    ['User', can('administrator') ? html`<a href=${link(['users', connection.user])}>${connection.user}</a>` : connection.user],
    ['Virtual host', connection.vhost],
    ['Since', html`<${Age} at=${connection.connected_at} />`],
    ['From', `${connection.peer_host}:${connection.peer_port}`],
    ['To', `${connection.host}:${connection.port}`],
    ['Heartbeat', connection.timeout ? `every ${connection.timeout} s` : 'off', 'How soon each side finds out that the other is gone'],
    ['Frame max', bytes(connection.frame_max)],
    ['Channels', html`${number(connection.channels)} <span class="quiet">of ${number(connection.channel_max)}</span>`],
    ['Protocol', connection.protocol],
    ['Login', connection.auth_mechanism],
    ['Encryption', security(connection)],
  ];
}
