/** What went wrong with messages, over all queues: in groups of what is alike, and one by one as it happens. */
import { computed, html, view } from '../component.js';
import { alike, counted, groupOf, listed, together } from '../failures/groups.js';
import { EventList } from '../failures/event-list.js';
import { feed, utcOffset } from '../failures/feed.js';
import { GroupPanel } from '../failures/group-panel.js';
import { KINDS, kindOf, reasonInWords } from '../failures/kinds.js';
import { url, withQuery } from '../api.js';
import { number, plural } from '../format.js';
import { live } from '../live.js';
import { Empty, Loaded, Skeleton } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Card, Page, VhostPicker } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Tabs } from '../parts/tabs.js';
import { Age, now } from '../parts/time.js';
import { link, path, query, setQuery } from '../router.js';

const MINUTE = 60_000;
/** How far back: `[what stands in the address, label, minutes]`. */
const SPANS = [['', 'as far as is known', null], ['5', 'last 5 minutes', 5], ['60', 'last hour', 60], ['1440', 'last day', 1440]];

const place = (group) => group.queue ?? (group.exchange === '' ? '(default exchange)' : group.exchange) ?? '–';
const why = (group) => [reasonInWords(group.reason), group.varies ? alike(group.error) : group.error].filter(Boolean).join(': ');

const COLUMNS = [
  { id: 'what', title: 'What', width: 124, value: (row) => row.what, cell: (row) => html`<${Badge} tone=${kindOf(row.what).tone} title=${kindOf(row.what).help}>${kindOf(row.what).label}<//>` },
  {
    id: 'queue', title: 'Where', always: true, min: 100, value: place, text: (row) => `${row.vhost}: ${place(row)}`,
    cell: (row) => html`<a href=${link(path.value, { ...query.value, open: row.key })} class="name">${row.queue ? null : html`<${Icon} name="exchanges" label="Exchange" /> `}${place(row)}</a>`,
  },
  { id: 'why', title: 'Why', min: 190, value: why, text: (row) => [reasonInWords(row.reason), row.error].filter(Boolean).join(': '), cell: (row) => why(row) || html`<span class="quiet">${kindOf(row.what).help}</span>` },
  { id: 'count', title: 'Count', width: 76, align: 'end', value: (row) => row.count, cell: (row) => number(row.count) },
  { id: 'last', title: 'Last', width: 72, align: 'end', value: (row) => row.last, cell: (row) => html`<${Age} at=${row.last} />`, help: 'How long ago it happened last' },
];

/** From when on, rounded so that the question stays the same for a minute. */
function since() {
  const minutes = Number(query.value.since);
  return minutes > 0 ? Math.floor(now.value / MINUTE) * MINUTE - minutes * MINUTE : undefined;
}

const Span = view(() => html`<span class="select"><select aria-label="How far back" value=${query.value.since ?? ''} onChange=${(event) => setQuery({ since: event.target.value })}>
  ${SPANS.map(([key, label]) => html`<option key=${key} value=${key} selected=${key === (query.value.since ?? '')}>${label}</option>`)}</select><${Icon} name="down" /></span>`, 'Span');

/** How many of each kind, to choose one. */
const Kinds = view(({ groups }) => {
  const chosen = query.value.what;
  const counts = counted(groups, 'what');
  if (counts.length < 2 && !chosen) return null;
  return html`<div class="row kinds" role="group" aria-label="Show only">${counts.map(({ name, count }) => html`<button key=${name} type="button" class="button small" aria-pressed=${chosen === name ? 'true' : 'false'} title=${kindOf(name).help}
    onClick=${() => setQuery({ what: chosen === name ? '' : name }, { replace: true })}>${kindOf(name).label} <b class="num">${number(count)}</b></button>`)}</div>`;
}, 'Kinds');

const Groups = view(({ failures }, self) => {
  const groups = self.keep('groups', () => computed(() => [...together((failures.data.value ?? []).map((told) => groupOf('', told))).values()]));
  const rows = self.keep('rows', () => computed(() => listed(groups.value, { what: query.value.what, queue: query.value.queue, text: query.value.filter })));
  const open = groups.value.find((group) => group.key === query.value.open);
  const isAll = !query.value.filter && !query.value.what && !query.value.queue;
  return html`<${Loaded} of=${failures} lines=${6}>${() => html`<div class="stack">
    <div class="toolbar"><${Filter} label="Filter failures" placeholder="Filter: queue, reason, error" /><${VhostPicker} /><${Span} /><span class="grow"></span><span class="quiet num">${plural(rows.value.length, 'group')}</span></div>
    <${Kinds} groups=${groups.value} />
    <div class=${open ? 'split' : ''}>
      <${Table} id="failures" label="Groups of failures" columns=${COLUMNS} rows=${rows.value} rowKey=${(row) => row.key} href=${(row) => link(path.value, { ...query.value, open: row.key })} sort="-last" picker=${false}
        rowClass=${(row) => (row.key === open?.key ? 'selected' : undefined)}
        empty=${html`<${Empty} icon="ok" title=${isAll ? 'Nothing went wrong' : 'No failure matches'}>${isAll ? 'Messages that are rejected, time out, expire, are dropped or reach no queue appear here at once.' : 'Change the filter to see others.'}<//>`} />
      ${open ? html`<${GroupPanel} key=${open.key} group=${open} hasSiblings=${hasSiblings(open, groups.value)} close=${() => setQuery({ open: '' })} />` : null}
    </div></div>`}<//>`;
}, 'Groups');

/** Whether other groups differ only by their error: then the messages have to be looked at to know whose they are. */
const hasSiblings = (group, groups) => groups.some((other) => other !== group && other.vhost === group.vhost && other.queue === group.queue && other.what === group.what && other.reason === group.reason);

const Feed = view((_, self) => {
  const followed = self.keep('feed', () => feed(() => ({
    vhost: query.value.vhost, filter: { what: query.value.what || Object.keys(KINDS).join(','), contains: query.value.filter },
  })));
  const { events, error, isHere } = followed;
  return html`<div class="stack"><div class="toolbar"><${Filter} label="Filter failures" placeholder="Filter: text in any part of it" /><${VhostPicker} /></div>
    ${error.value ? html`<${Notice} tone="bad">${error.value.message}<//>` : null}
    <${Card}>${events.value.length ? html`<${EventList} events=${events.value} />` : isHere.value ? html`<${Empty} icon="ok" title="Nothing went wrong">What does appears here as it happens.<//>` : html`<${Skeleton} lines=${6} />`}<//></div>`;
}, 'Feed');

export default view((_, self) => {
  const failures = self.keep('failures', () => live(() => withQuery(query.value.vhost ? url`/api/coney/failures/${query.value.vhost}` : '/api/coney/failures', { since: since(), utc_offset_min: utcOffset() }), { keep: true }));
  return html`<${Page} title="Failures" lead="What went wrong with messages, over all queues, and what can be done about it.">
    <${Tabs} label="Failures" tabs=${[
    { id: 'groups', label: 'In groups', draw: () => html`<${Groups} failures=${failures} />` },
    { id: 'feed', label: 'One by one', draw: () => html`<${Feed} />` },
  ]} /><//>`;
}, 'Failures');
