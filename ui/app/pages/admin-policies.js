/** Policies and operator policies. */
import { computed, html, view } from '../component.js';
import { PolicyEditor } from '../admin/policy-editor.js';
import { APPLY_TO, valueText } from '../admin/policy-form.js';
import { Shown } from '../clients/parts.js';
import { terms } from '../clients/terms.js';
import { url } from '../api.js';
import { live } from '../live.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Page, VhostPicker } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { Tabs } from '../parts/tabs.js';
import { link, query } from '../router.js';
import { can, vhosts } from '../session.js';

const APPLIES = new Map(APPLY_TO);
const settings = (row) => Object.entries(row.definition).map(([key, value]) => `${key}: ${valueText(key, value)}`);
const SEARCHED = { name: (row) => row.name, vhost: (row) => row.vhost, pattern: (row) => row.pattern, setting: (row) => settings(row).join(' '), priority: (row) => row.priority };

/** Where a policy is. */
export const policyLink = (row, isOperator) => link(['policies', row.vhost, row.name], { operator: isOperator ? 1 : '' });

const columns = (isOperator) => [
  { id: 'name', title: 'Name', always: true, width: 190, value: (row) => row.name, text: (row) => row.name, cell: (row) => html`<a href=${policyLink(row, isOperator)}>${row.name}</a>` },
  { id: 'vhost', title: 'Vhost', width: 100, value: (row) => row.vhost, text: (row) => row.vhost, cell: (row) => row.vhost },
  { id: 'pattern', title: 'Pattern', width: 180, value: (row) => row.pattern, text: (row) => row.pattern, cell: (row) => html`<code>${row.pattern || '(empty)'}</code>` },
  { id: 'apply', title: 'Applies to', width: 186, value: (row) => row['apply-to'], cell: (row) => APPLIES.get(row['apply-to']) ?? row['apply-to'] },
  { id: 'priority', title: 'Priority', width: 84, align: 'end', value: (row) => row.priority, cell: (row) => row.priority, help: 'Of those that match, the one with the highest priority applies' },
  {
    id: 'definition', title: 'Sets', min: 260, text: (row) => settings(row).join('\n'),
    cell: (row) => settings(row).map((text, i) => html`${i ? html`<span class="quiet"> · </span>` : null}<span key=${text}>${text}</span>`),
  },
];
const COLUMNS = { policies: columns(false), 'operator-policies': columns(true) };

const List = view(({ kind, isOperator }, self) => {
  const list = self.keep('list', () => live(() => (query.value.vhost ? url`/api/${kind}/${query.value.vhost}` : `/api/${kind}`), { keep: true }));
  const test = self.keep('test', () => computed(() => terms(query.value.filter ?? '', SEARCHED)));
  const rows = self.keep('rows', () => computed(() => list.data.value?.filter(test.value.test)));
  return html`<${Loaded} of=${list}>${(all) => html`<${Table} id=${kind} label=${isOperator ? 'Operator policies' : 'Policies'} columns=${COLUMNS[kind]} rows=${rows.value} rowKey=${(row) => `${row.vhost} ${row.name}`}
    href=${(row) => policyLink(row, isOperator)} sort="-priority" toolbar=${html`<${Filter} label="Filter policies" placeholder="Filter: name setting:max-length" error=${test.value.error} /><${VhostPicker} />`}
    note=${html`<${Shown} rows=${rows.value.length} all=${all.length} what="policy" many="policies" />`}
    empty=${html`<${Empty} icon="edit" title=${all.length ? 'No policy matches' : isOperator ? 'No operator policies' : 'No policies'}>
      ${isOperator ? 'Limits that users cannot raise: of a queue’s own setting, a policy’s and this one the lowest counts.' : 'Settings for all queues and exchanges whose names match: they can be changed later, without declaring anything again.'}<//>`} />`}<//>`;
}, 'List');

export default view(() => {
  if (query.value.new) return html`<${PolicyEditor} vhost=${query.value.vhost || (vhosts.value.includes('/') ? '/' : vhosts.value[0])} isOperator=${Boolean(query.value.operator)} />`;
  const isOperator = query.value.tab === 'operator';
  const mayAdd = isOperator ? can('administrator') : can('policymaker');
  const add = mayAdd && html`<a class="button primary" href=${link('/policies', { new: 1, vhost: query.value.vhost, operator: isOperator ? 1 : '' })}><${Icon} name="plus" />Add ${isOperator ? 'operator policy' : 'policy'}</a>`;
  return html`<${Page} title="Policies" lead="Settings by name. A queue takes the one policy and the one operator policy that match with the highest priority." actions=${add}>
    <${Tabs} label="Kinds of policies" tabs=${[
    { id: 'user', label: 'Policies', draw: () => html`<${List} key="user" kind="policies" isOperator=${false} />` },
    { id: 'operator', label: 'Operator policies', draw: () => html`<${List} key="operator" kind="operator-policies" isOperator=${true} />` },
  ]} />
  <//>`;
}, 'Policies');
