/** What failed in a queue, and why, newest first: from the journal. */
import { computed, html, view } from '../component.js';
import { url, withQuery } from '../api.js';
import { number, plural } from '../format.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Card } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Age, When } from '../parts/time.js';

const EVENTS_MAX = 500;
/** Kinds that are no failures: they are there while something is being recorded. */
const FINE = new Set(['published', 'enqueued', 'delivered', 'acked', 'confirmed', 'released', 'connected', 'moved', 'purged']);
const BAD = new Set(['failed', 'dead-lettered', 'dropped', 'refused', 'timed-out', 'consumer-lost', 'connection-lost', 'parked']);
const words = (what) => what?.replaceAll('-', ' ');

const groupColumns = (vhost, name) => [
  { id: 'reason', title: 'Reason', min: 140, always: true, value: (it) => it.reason ?? it.what, text: (it) => words(it.reason ?? it.what), cell: (it) => words(it.reason ?? it.what) },
  { id: 'error', title: 'Error', min: 240, value: (it) => it.error, text: (it) => it.error, cell: (it) => it.error ?? html`<span class="zero">–</span>` },
  { id: 'count', title: 'Messages', width: 100, align: 'end', value: (it) => it.count, cell: (it) => number(it.count) },
  { id: 'first', title: 'First', width: 120, align: 'end', value: (it) => at(it.first), cell: (it) => html`<${When} at=${at(it.first)} />` },
  { id: 'last', title: 'Last', width: 96, align: 'end', value: (it) => at(it.last), cell: (it) => html`<${Age} at=${at(it.last)} />` },
];
const at = (moment) => (moment && typeof moment === 'object' ? moment.at : moment);

const eventColumns = (vhost, name) => [
  { id: 'at', title: 'When', width: 130, always: true, value: (it) => it.number, cell: (it) => html`<${When} at=${it.at} />` },
  { id: 'what', title: 'What', width: 130, value: (it) => it.what, cell: (it) => html`<${Badge} tone=${BAD.has(it.what) ? 'warn' : 'plain'}>${words(it.what)}<//>` },
  { id: 'position', title: 'Position', width: 116, value: (it) => it.position, cell: (it) => position(it, vhost, name) },
  { id: 'sentence', title: 'What happened', min: 360, text: (it) => it.sentence, cell: (it) => it.sentence ?? [it.reason, it.error].filter(Boolean).join(': ') },
  { id: 'consumer', title: 'Consumer', width: 150, hidden: true, value: (it) => it.consumer_tag, text: (it) => it.consumer_tag, cell: (it) => it.consumer_tag ?? '' },
];
const position = (event, vhost, name) => {
  if (event.position === undefined || event.position === null) return '';
  return event.count > 1 ? plural(event.count, 'message') : html`<a class="num" href=${link(['queues', vhost, name, 'messages', String(event.position)])}>${event.position}</a>`;
};

export const Failures = view(({ vhost, name }, self) => {
  const groups = self.keep('groups', () => live(withQuery(url`/api/coney/failures/${vhost}`, { queue: name })));
  const events = self.keep('events', () => live(withQuery(url`/api/coney/journal/${vhost}`, { queue: name, limit: EVENTS_MAX })));
  const mine = self.keep('mine', () => computed(() => {
    const found = groups.data.value;
    return (Array.isArray(found) ? found : found?.failures ?? found?.groups ?? []).filter((group) => group.queue === name);
  }));
  const rows = self.keep('rows', () => computed(() => (events.data.value?.events ?? []).filter((event) => !FINE.has(event.what))));
  const [columns, groupsOf] = self.keep('columns', () => [eventColumns(vhost, name), groupColumns(vhost, name)]);
  const missing = html`<${Empty} icon="failures" title="The journal is off">This broker keeps no journal (setting <code>journal-events</code>).<//>`;
  return html`<div class="stack">
    ${mine.value.length ? html`<${Card} title="By reason"><${Table} id="queue.failures" label="Failures by reason" columns=${groupsOf} rows=${mine.value} rowKey=${(it) => `${it.reason} ${it.what} ${it.error}`}
      sort="-count" sortName="groups" picker=${false} /><//>` : null}
    <${Loaded} of=${events} missing=${missing}>${() => html`<${Table} id="queue.journal" label="What happened" columns=${columns} rows=${rows.value} rowKey=${(it) => String(it.number)} sort="-at" sortName="order"
      toolbar=${html`<h2>What happened</h2>`} empty=${html`<${Empty} icon="ok" title="Nothing has failed">Failures of this queue stand here, with who and why, as far back as the journal goes.<//>`} />`}<//>
  </div>`;
}, 'QueueFailures');
