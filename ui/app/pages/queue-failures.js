/** What failed in a queue, and why: in groups, and one by one as it happens. From the journal. */
import { html, view } from '../component.js';
import { url, withQuery } from '../api.js';
import { number } from '../format.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { EventsOf } from '../failures/event-list.js';
import { isFailure, kindOf, reasonInWords } from '../failures/kinds.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Badge } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Age, When } from '../parts/time.js';

const words = reasonInWords;
const hrefOf = (group) => (group.positions?.length ? link(['queues', group.vhost, group.queue, 'messages', String(group.positions[0])]) : undefined);

const COLUMNS = [
  { id: 'what', title: 'What', width: 140, always: true, bare: true, value: (it) => it.what, text: (it) => kindOf(it.what).label,
    cell: (it) => html`<${Badge} tone=${kindOf(it.what).tone}>${kindOf(it.what).label}<//>` },
  { id: 'count', title: 'How many', width: 116, align: 'end', phone: true, value: (it) => it.count, cell: (it) => number(it.count) },
  { id: 'reason', title: 'Reason', width: 130, phone: true, value: (it) => it.reason, text: (it) => words(it.reason), cell: (it) => words(it.reason) || html`<span class="zero">–</span>` },
  { id: 'error', title: 'Error', min: 200, phone: true, value: (it) => it.error, text: (it) => it.error, cell: (it) => it.error ?? html`<span class="zero">–</span>` },
  { id: 'first', title: 'First', width: 120, align: 'end', value: (it) => it.first, cell: (it) => html`<${When} at=${it.first} />` },
  { id: 'last', title: 'Last', width: 84, align: 'end', phone: true, value: (it) => it.last, cell: (it) => html`<${Age} at=${it.last} />` },
  { id: 'newest', title: 'Newest message', width: 140, align: 'end', help: 'The newest message of the group', cell: (it) => (hrefOf(it) ? html`<a class="num" href=${hrefOf(it)}>${it.positions[0]}</a>` : '') },
];

const keyOf = (it) => `${it.what} ${it.reason} ${it.error}`;

export const Failures = view(({ vhost, name }, self) => {
  const groups = self.keep('groups', () => live(withQuery(url`/api/coney/failures/${vhost}`, { queue: name })));
  const filter = self.keep('filter', () => ({ queue: name }));
  const more = html`<a class="button" href=${link('/failures', { vhost, queue: name })}>Act on failures</a>`;
  const empty = html`<${Empty} icon="ok" title="Nothing has failed">Failures of this queue stand here, with who and why, as far back as the journal goes.<//>`;
  return html`<div class="stack">
    <${Loaded} of=${groups}>${(rows) => html`<${Table} id="queue.failures" label="Failures by reason" columns=${COLUMNS} rows=${rows} rowKey=${keyOf} href=${hrefOf}
      sort="-count" sortName="order" toolbar=${rows.length ? more : null} picker=${false} empty=${empty} />`}<//>
    ${groups.data.value?.length ? html`<${EventsOf} title="One by one, newest first" vhost=${vhost} filter=${filter} keep=${isFailure} />` : null}
  </div>`;
}, 'QueueFailures');
