/** Virtual hosts: which there are, and new ones. */
import { computed, html, view } from '../component.js';
import { editVhost } from '../admin/vhost-dialog.js';
import { Shown } from '../clients/parts.js';
import { terms } from '../clients/terms.js';
import { bytes, number, rate } from '../format.js';
import { live } from '../live.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Page } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { link, query } from '../router.js';
import { can } from '../session.js';

const SEARCHED = { name: (row) => row.name, description: (row) => row.description, tag: (row) => (row.tags ?? []).join(' '), type: (row) => row.default_queue_type };
const rateOf = (row, stat) => row.message_stats?.[`${stat}_details`]?.rate ?? 0;
const zero = (value, text) => html`<span class=${value ? '' : 'zero'}>${text}</span>`;

const COLUMNS = [
  { id: 'name', title: 'Name', always: true, width: 180, value: (row) => row.name, text: (row) => row.name, cell: (row) => html`<a href=${link(['vhosts', row.name])}>${row.name}</a>` },
  { id: 'description', title: 'Description', min: 180, value: (row) => row.description, text: (row) => row.description, cell: (row) => html`<span class="quiet">${row.description}</span>` },
  {
    id: 'marks', title: 'Marks', width: 170,
    cell: (row) => html`<span class="row tight nowrap-row">${row.tracing ? html`<${Badge} tone="warn" title="Each message is copied to amq.rabbitmq.trace">traced<//>` : null}
      ${row.metadata?.protected_from_deletion || row.protected_from_deletion ? html`<${Badge} icon="lock" title="Has to be unprotected before it can be deleted">protected<//>` : null}</span>`,
  },
  { id: 'ready', title: 'Ready', width: 92, align: 'end', value: (row) => row.messages_ready ?? 0, cell: (row) => zero(row.messages_ready, number(row.messages_ready ?? 0)) },
  { id: 'unacked', title: 'Unacked', width: 92, align: 'end', value: (row) => row.messages_unacknowledged ?? 0, cell: (row) => zero(row.messages_unacknowledged, number(row.messages_unacknowledged ?? 0)) },
  { id: 'publish', title: 'Publish', width: 92, align: 'end', value: (row) => rateOf(row, 'publish'), cell: (row) => zero(rateOf(row, 'publish'), rate(rateOf(row, 'publish'))) },
  { id: 'deliver', title: 'Deliver', width: 92, align: 'end', value: (row) => rateOf(row, 'deliver_get'), cell: (row) => zero(rateOf(row, 'deliver_get'), rate(rateOf(row, 'deliver_get'))) },
  { id: 'type', title: 'New queues are', width: 116, hidden: true, value: (row) => row.default_queue_type, cell: (row) => row.default_queue_type },
  { id: 'in', title: 'In', width: 100, align: 'end', hidden: true, value: (row) => row.recv_oct_details?.rate ?? 0, cell: (row) => `${bytes(row.recv_oct_details?.rate ?? 0)}/s` },
  { id: 'out', title: 'Out', width: 100, align: 'end', hidden: true, value: (row) => row.send_oct_details?.rate ?? 0, cell: (row) => `${bytes(row.send_oct_details?.rate ?? 0)}/s` },
];

export default view((_, self) => {
  const list = self.keep('list', () => live('/api/vhosts'));
  const test = self.keep('test', () => computed(() => terms(query.value.filter ?? '', SEARCHED)));
  const rows = self.keep('rows', () => computed(() => list.data.value?.filter(test.value.test)));
  return html`<${Page} title="Virtual hosts" lead="Brokers within the broker: each has its own exchanges, queues, permissions and policies." fill
      actions=${can('administrator') && html`<button type="button" class="button primary" onClick=${() => editVhost()}><${Icon} name="plus" />Add virtual host</button>`}>
    <${Loaded} of=${list}>${(all) => html`<${Table} id="vhosts" label="Virtual hosts" columns=${COLUMNS} rows=${rows.value} rowKey=${(row) => row.name} href=${(row) => link(['vhosts', row.name])} sort="name"
      toolbar=${html`<${Filter} label="Filter virtual hosts" error=${test.value.error} />`} note=${html`<${Shown} rows=${rows.value.length} all=${all.length} what="virtual host" />`}
      empty=${html`<${Empty} icon="lock" title="No virtual host matches" />`} />`}<//>
  <//>`;
}, 'Vhosts');
