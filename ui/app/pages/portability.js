/** What clients did that other brokers do not do alike. */
import { computed, html, view } from '../component.js';
import { number, plural } from '../format.js';
import { live } from '../live.js';
import { withQuery } from '../api.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Page, VhostPicker } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { query, setQuery } from '../router.js';

/**
 * An entry of `/api/coney/lint`. `target` is null where it is so on every broker.
 * @typedef {{rule: string, where: string, vhost: string, target: string | null, count: number, outcome: string, text: string, fix: string}} Finding
 */

/** @type {Array<[string, string]>} the brokers that may be asked about */
const TARGETS = [
  ['rabbitmq-3.13', 'RabbitMQ 3.13'], ['rabbitmq-4.0', 'RabbitMQ 4.0 to 4.2'], ['rabbitmq-4.3', 'RabbitMQ 4.3'], ['lavinmq-2', 'LavinMQ 2'],
];
const TITLES = Object.fromEntries(TARGETS);

/** @param {string} outcome */
const tone = (outcome) => (outcome.startsWith('refused') ? 'bad' : outcome === 'smell' ? 'plain' : 'warn');

/** @param {Finding} row */
const whatHappens = (row) => `${row.outcome}: ${row.text}`;

/** @type {import('../parts/table.js').Column<Finding>[]} */
const COLUMNS = [
  { id: 'where', title: 'What', always: true, phone: true, min: 220, value: (row) => row.where, text: (row) => row.where, cell: (row) => row.where },
  { id: 'vhost', title: 'Virtual host', width: 120, spare: 2, value: (row) => row.vhost, text: (row) => row.vhost, cell: (row) => row.vhost },
  { id: 'target', title: 'On', phone: true, width: 160, value: (row) => row.target ?? '', cell: (row) => (row.target ? TITLES[row.target] ?? row.target : 'every broker') },
  { id: 'outcome', title: 'What happens there', phone: true, bare: true, min: 240, value: (row) => row.outcome, text: whatHappens,
    cell: (row) => html`<${Badge} tone=${tone(row.outcome)}>${row.outcome}<//> <span class="quiet">${row.text}</span>` },
  { id: 'fix', title: 'Instead', phone: true, min: 200, spare: 1, value: (row) => row.fix, text: (row) => row.fix, cell: (row) => row.fix },
  { id: 'count', title: 'Times', width: 80, spare: 3, align: 'end', value: (row) => row.count, cell: (row) => number(row.count) },
  { id: 'rule', title: 'Rule', width: 200, hidden: true, value: (row) => row.rule, cell: (row) => html`<code>${row.rule}</code>` },
];

const TargetPicker = view(() => {
  const chosen = query.value.target ?? '';
  return html`<span class="select"><select aria-label="Broker" value=${chosen} onChange=${(event) => setQuery({ target: event.target.value })}>
    <option value="">Any broker, and smells</option>
    ${TARGETS.map(([name, title]) => html`<option key=${name} value=${name} selected=${name === chosen}>${title}</option>`)}</select><${Icon} name="down" /></span>`;
}, 'TargetPicker');

/** @param {string} target */
const nothing = (target) => html`<${Empty} icon="ok" title="Nothing was found">Whatever clients did since the broker started ${target
  ? `${TITLES[target] ?? target} does alike` : 'other brokers do alike'}, as far as the rules go.<//>`;

export default view((_, self) => {
  const found = self.keep('found', () => live(() => withQuery('/api/coney/lint', { target: query.value.target }), { keep: true }));
  const rows = self.keep('rows', () => computed(() => found.data.value?.filter((row) => !query.value.vhost || row.vhost === query.value.vhost)));
  const toolbar = html`<${TargetPicker} /><${VhostPicker} />`;
  const note = rows.value?.length ? plural(rows.value.length, 'finding') : null;
  return html`<${Page} title="Portability" fill lead="What clients of this broker did that others refuse, do not look at, or do otherwise. Each thing is listed once for each client.">
    <${Loaded} of=${found}>${() => html`<${Table} id="portability" label="Findings" columns=${COLUMNS} rows=${rows.value}
      rowKey=${(row) => `${row.vhost} ${row.rule} ${row.where} ${row.target}`} sort="where" toolbar=${toolbar} note=${note} empty=${nothing(query.value.target ?? '')} />`}<//>
  <//>`;
}, 'Portability');
