/** What a queue of type stream shows in place of states: a log that is read by offset, from which nothing is taken. */
import { html, signal, view } from '../component.js';
import { bytes, number, rate } from '../format.js';
import { query, setQuery } from '../router.js';
import { Empty } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Table } from '../parts/table.js';
import { Age } from '../parts/time.js';

const rateOf = (queue, name) => queue.message_stats?.[`${name}_details`]?.rate ?? 0;

export const StreamTiles = view(({ queue }) => {
  const tile = (label, value, title) => html`<div key=${label} class="tile" title=${title}><span>${label}</span><b>${value}</b></div>`;
  return html`<div class="tiles">
    ${tile('Messages', number(queue.messages_ready))}
    ${tile('First offset', number(queue.first_offset), 'Of the oldest message that is there')}
    ${tile('Next offset', number(queue.next_offset), 'That the next message gets')}
    ${tile('Readers', number(queue.consumers), 'Consumers, each of which reads all messages from where it began')}
    ${tile('In', rate(rateOf(queue, 'publish')))}
    ${tile('Out', rate(rateOf(queue, 'deliver_get')), 'To all readers together')}
    ${tile('Size', bytes(queue.message_bytes))}
    ${tile('Segments', number(queue.segments), 'What is too old or too much goes a segment at a time')}
    ${tile('Oldest', html`<${Age} at=${queue.first_timestamp} />`)}
    ${tile('Newest', html`<${Age} at=${queue.last_timestamp} />`)}
  </div>`;
}, 'StreamTiles');

const CURSORS = [
  { id: 'name', title: 'Cursor', always: true, min: 170, value: (it) => it.name, text: (it) => it.name, cell: (it) => it.name },
  { id: 'offset', title: 'Offset', width: 120, align: 'end', help: 'The first message that is not done', value: (it) => it.offset, cell: (it) => html`<span class="num">${it.offset}</span>` },
  { id: 'lag', title: 'Behind', width: 110, align: 'end', phone: true, help: 'Messages between there and the end', value: (it) => it.lag, cell: (it) => number(it.lag) },
  { id: 'unacked', title: 'Unacked', width: 96, align: 'end', value: (it) => it.unacked, cell: (it) => number(it.unacked) },
  { id: 'reader', title: 'Read by', min: 150, phone: true, value: (it) => it.consumer_tag, text: (it) => it.consumer_tag, cell: (it) => it.consumer_tag ?? html`<span class="quiet">nobody</span>` },
  { id: 'waiting', title: 'Waiting', width: 96, align: 'end', help: 'Consumers that take over when the reader goes', value: (it) => it.waiting, cell: (it) => number(it.waiting) },
  { id: 'used', title: 'Last used', width: 110, align: 'end', phone: true, value: (it) => it.used_at, cell: (it) => html`<${Age} at=${it.used_at} />` },
];

/** Where consumers go on that read with a cursor. */
export const Cursors = view(({ queue }) => html`<${Table} id="queue.cursors" label="Cursors" columns=${CURSORS} rows=${queue.cursors ?? []} rowKey=${(it) => it.name} sort="name" sortName="order"
  empty=${html`<${Empty} icon="consumers" title="No cursors">A consumer with <code>x-stream-cursor</code> goes on where the one before it acked; where that is stands here.<//>`} />`, 'Cursors');

/** Messages that are shown at a time. */
const PAGE = 100;

/** The offset that the list begins with (`?from=`); `null` where it shows the newest. */
export const fromOffset = () => (/^\d+$/.test(query.value.from ?? '') ? Number(query.value.from) : null);

/** How many of a stream's messages are passed over, to come to the wanted ones. */
export function passedOver({ first_offset: first = 0, next_offset: next = 0 }, from, isSearch) {
  if (from !== null) return Math.max(0, Math.min(from, next) - first);
  return isSearch ? 0 : Math.max(0, next - first - PAGE);
}

/** Goes to an offset, back to older ones, or to the end. */
export const StreamPlace = view(({ log, rows }, self) => {
  const wanted = self.keep('wanted', () => signal(query.peek().from ?? ''));
  const { first_offset: first = 0 } = log;
  const oldest = rows.length ? Math.min(rows[0].id, rows.at(-1).id) : null;
  const to = (from) => { wanted.value = from; setQuery({ from }); };
  return html`<form class="row nowrap stream-place" onSubmit=${(event) => { event.preventDefault(); to(wanted.value.trim()); }}>
    <label class="row nowrap">From offset <input inputmode="numeric" pattern="[0-9]*" placeholder="newest" value=${wanted.value} onInput=${(event) => { wanted.value = event.target.value; }} /></label>
    <button type="submit" class="button">Show</button>
    <button type="button" class="icon-button" aria-label="Older messages" title="Older messages" disabled=${oldest === null || oldest <= first} onClick=${() => to(String(Math.max(first, oldest - PAGE)))}><${Icon} name="left" /></button>
    ${fromOffset() === null ? null : html`<button type="button" class="button" onClick=${() => to('')}>Newest</button>`}
  </form>`;
}, 'StreamPlace');
