/** All exchanges: by pages, sorted and filtered by the server. */
import { html, view } from '../component.js';
import { url } from '../api.js';
import { number, rate } from '../format.js';
import { refresh } from '../live.js';
import { link, query } from '../router.js';
import { can, vhosts } from '../session.js';
import { Empty } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Page, VhostPicker } from '../parts/page.js';
import { pagesOf } from '../parts/pages.js';
import { Badge, Notice } from '../parts/state.js';
import { Table, sortOf } from '../parts/table.js';
import { openNewExchange } from './exchange-new.js';
import { featuresOf, linkTo, nameOf, rateOf, troubleOf } from './exchange-words.js';

const perSecond = (value) => html`<span class=${value ? undefined : 'zero'}>${rate(value ?? 0)}</span>`;

const COLUMNS = [
  { id: 'name', title: 'Name', sort: 'name', always: true, min: 200, text: nameOf,
    cell: (exchange) => html`<a href=${linkTo(exchange)}>${exchange.name === '' ? html`<i>${nameOf(exchange)}</i>` : exchange.name}</a>` },
  { id: 'vhost', title: 'Vhost', sort: 'vhost', width: 110, hidden: true, text: (exchange) => exchange.vhost, cell: (exchange) => exchange.vhost },
  { id: 'type', title: 'Type', sort: 'type', width: 150, text: (exchange) => exchange.type, cell: (exchange) => exchange.type },
  { id: 'features', title: 'Features', min: 140, text: (exchange) => featuresOf(exchange).join(', '), cell: (exchange) => html`<span class="quiet">${featuresOf(exchange).join(', ')}</span>` },
  { id: 'policy', title: 'Policy', sort: 'policy', width: 130, hidden: true, text: (exchange) => exchange.policy,
    cell: (exchange) => (exchange.policy ? html`<a href=${link(['policies', exchange.vhost, exchange.policy])}>${exchange.policy}</a>` : null) },
  { id: 'problem', title: 'Problem', min: 150, text: (exchange) => troubleOf(exchange)?.help,
    cell: (exchange) => { const trouble = troubleOf(exchange); return trouble ? html`<${Badge} tone="warn" icon="warning">${trouble.label}<//>` : null; } },
  { id: 'in', title: 'In', sort: 'message_stats.publish_in_details.rate', width: 96, align: 'end', help: 'Messages published to it a second', cell: (exchange) => perSecond(rateOf(exchange, 'publish_in')) },
  { id: 'out', title: 'Out', sort: 'message_stats.publish_out_details.rate', width: 96, align: 'end', help: 'Copies that go to queues a second', cell: (exchange) => perSecond(rateOf(exchange, 'publish_out')) },
  { id: 'total', title: 'Published', sort: 'message_stats.publish_in', width: 120, align: 'end', hidden: true, help: 'Since the broker began', cell: (exchange) => number(exchange.message_stats?.publish_in ?? 0) },
];

/** Where lists are of several vhosts, each has exchanges of the same names. */
const WITH_VHOST = COLUMNS.map((column) => (column.id === 'vhost' ? { ...column, hidden: false } : column));

export default view((_, self) => {
  const pages = self.keep('pages', () => pagesOf(() => {
    const { by, desc } = sortOf('sort', '');
    const { vhost, filter = '' } = query.value;
    const sort = COLUMNS.find((column) => column.id === by)?.sort;
    return { path: vhost ? url`/api/exchanges/${vhost}` : '/api/exchanges', name: filter, sort, sort_reverse: desc || undefined };
  }));
  const error = pages.error.value;
  const { source } = pages;
  const vhost = query.value.vhost ?? vhosts.value[0];
  const add = can('write', vhost) ? html`<button type="button" class="button primary" onClick=${() => openNewExchange({ vhost, onDone: () => refresh('/api/exchanges') })}><${Icon} name="plus" />New exchange</button>` : null;
  const empty = pages.isLoading.value ? null : html`<${Empty} icon="search" title="No exchange has this in its name" />`;
  return html`<${Page} title="Exchanges" fill actions=${add}>
    ${error ? html`<${Notice} tone="bad">${error.message}<//>` : null}
    <${Table} id="exchanges" label="Exchanges" columns=${vhosts.value.length > 1 && !query.value.vhost ? WITH_VHOST : COLUMNS} source=${source} rowKey=${keyOf} href=${linkTo} toolbar=${html`<${Filter} label="Filter by name" /><${VhostPicker} />`} empty=${empty}
      note=${html`<span class="quiet num" role="status">${number(source.count)}${pages.total.value !== source.count ? ` of ${number(pages.total.value)}` : ''}</span>`} />
  <//>`;
}, 'Exchanges');

const keyOf = (exchange) => `${exchange.vhost}/${exchange.name}`;
