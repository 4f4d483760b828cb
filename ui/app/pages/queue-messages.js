/** The messages of a queue in one state: look, filter, choose, and do something with those. */
import { computed, effect, html, untracked, view } from '../component.js';
import { bytes, instant, number, plural } from '../format.js';
import { link, query } from '../router.js';
import { can } from '../session.js';
import { Empty, Skeleton } from '../parts/empty.js';
import { Filter, MessageHelp, bodyText, parseFilter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Badge, Notice } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Age, Due, When } from '../parts/time.js';
import { ActionBar } from './queue-acting.js';
import { hasContent, peekOf } from './queue-peek.js';
import { StreamPlace, fromOffset, passedOver } from './queue-stream.js';

/** A list that nobody does anything with shows what is there now, this often. */
const AGAIN_MS = 2000;
const LINE = 200;

const line = (message) => bodyText(message).slice(0, LINE).replace(/\s+/g, ' ');
const hrefOf = (place, message) => link(['queues', place.vhost, place.name, 'messages', String(message.id)], { state: place.state === 'ready' ? '' : place.state });

/** When the consumer of an unacked message has to have acked it, in ms, if it has to. */
function deadlineOf({ consumers }, { holder }) {
  const consumer = holder && consumers?.find((one) => one.consumer_tag === holder.consumer_tag && one.channel_details?.connection_name === holder.connection_name
    && one.channel_details?.number === holder.channel);
  return typeof consumer?.consumer_timeout === 'number' ? instant(holder.since) + consumer.consumer_timeout : undefined;
}

/** Columns of all states; `show`: where one is shown at first. */
const columnsOf = (place) => [
  { id: 'position', title: place.log ? 'Offset' : 'Position', width: place.log ? 104 : 156, always: true, value: (m) => m.id, help: place.log ? 'The message’s place in the stream' : 'The message’s place in the queue; it keeps it',
    cell: (m) => html`<a class="num" href=${hrefOf(place, m)} title="Open this message">${m.id}</a>` },
  { id: 'key', phone: true, title: 'Routing key', min: 110, value: (m) => m.routing_key, text: (m) => m.routing_key, cell: (m) => m.routing_key ?? unread },
  { id: 'exchange', title: 'Exchange', spare: 1, min: 90, value: (m) => m.exchange, text: (m) => m.exchange || 'default exchange', cell: (m) => m.exchange || html`<span class="quiet">default</span>`,
    hidden: place.state !== 'ready' },
  { id: 'id', title: 'Message id', min: 110, hidden: place.state !== 'ready', value: (m) => m.properties?.message_id, text: (m) => m.properties?.message_id, cell: (m) => m.properties?.message_id ?? '' },
  { id: 'holder', phone: true, title: 'Held by', min: 150, only: 'unacked', value: (m) => m.holder?.consumer_tag, text: (m) => m.holder && `${m.holder.consumer_tag ?? 'a get'} on ${m.holder.connection_name}, channel ${m.holder.channel}`,
    cell: (m) => m.holder ? html`<a href=${link(['channels', `${m.holder.connection_name} (${m.holder.channel})`])}>${m.holder.consumer_tag ?? 'basic.get'}</a>` : '–' },
  { id: 'connection', title: 'Connection', spare: 3, min: 150, only: 'unacked', value: (m) => m.holder?.connection_name, text: (m) => m.holder?.connection_name,
    cell: (m) => m.holder ? html`<a href=${link(['connections', m.holder.connection_name])}>${m.holder.connection_name}</a>` : '–' },
  { id: 'since', phone: true, title: 'For', width: 90, align: 'end', only: 'unacked', value: (m) => m.holder?.since, cell: (m) => html`<${Age} at=${m.holder?.since} />` },
  { id: 'deadline', title: 'Ack due', width: 132, align: 'end', only: 'unacked', value: (m) => deadlineOf(place, m), help: 'When it is taken back if it is not acked', cell: (m) => html`<${Due} at=${deadlineOf(place, m)} />` },
  { id: 'due', phone: true, title: 'Due', width: 130, align: 'end', only: 'delayed', value: (m) => m.due_at, cell: (m) => html`<${Due} at=${m.due_at} />` },
  { id: 'attempts', phone: place.state === 'delayed' || place.state === 'parked', title: 'Attempts', spare: 2, width: 84, align: 'end', value: (m) => m.attempts?.deliveries ?? 0, cell: (m) => html`<span class=${m.attempts?.deliveries ? '' : 'zero'}>${number(m.attempts?.deliveries ?? 0)}</span>` },
  { id: 'error', title: 'Last error', min: 150, not: 'ready', hidden: place.state === 'unacked', value: (m) => m.attempts?.last_error, text: (m) => m.attempts?.last_error, cell: (m) => m.attempts?.last_error ?? html`<span class="zero">–</span>` },
  { id: 'last', title: 'Last attempt', width: 130, not: 'unacked', hidden: place.state !== 'parked', align: 'end', value: (m) => m.attempts?.last_at, cell: (m) => html`<${When} at=${m.attempts?.last_at} />` },
  { id: 'flags', title: 'Redelivered', width: 112, hidden: place.state !== 'ready', value: (m) => Number(m.redelivered), cell: (m) => (m.redelivered ? html`<${Badge} icon="replay">redelivered<//>` : '') },
  { id: 'size', phone: true, title: 'Size', width: 76, align: 'end', value: (m) => m.payload_bytes, cell: (m) => bytes(m.payload_bytes) },
  { id: 'body', phone: true, title: 'Body', min: 220, text: line, cell: (m) => (hasContent(m) ? html`<span class="mono">${line(m)}</span>` : unread) },
  { id: 'type', title: 'Content type', min: 130, hidden: true, value: (m) => m.properties?.content_type, text: (m) => m.properties?.content_type, cell: (m) => m.properties?.content_type ?? '' },
  { id: 'headers', title: 'Headers', min: 200, hidden: true, text: (m) => JSON.stringify(m.properties?.headers ?? {}), cell: (m) => html`<span class="mono">${JSON.stringify(m.properties?.headers ?? {})}</span>` },
  { id: 'expires', title: 'Expires', width: 130, hidden: true, align: 'end', value: (m) => m.expires_at, cell: (m) => html`<${Due} at=${m.expires_at} />` },
  { id: 'priority', title: 'Priority', width: 84, hidden: true, align: 'end', value: (m) => m.priority, cell: (m) => m.priority },
].filter((column) => (!column.only || column.only === place.state) && column.not !== place.state && !(place.log && NOT_OF_STREAMS.has(column.id)));

/** Nothing is given back to a stream, and its messages go together when they are too old. */
const NOT_OF_STREAMS = new Set(['attempts', 'flags', 'expires', 'priority']);

const unread = html`<span class="quiet" title="It is on disk, and was not read for this list: what was read before it was much. It is shown when it is opened">on disk</span>`;

const NOTHING = {
  stream: ['Nothing is in the stream', 'Messages stand here from their publish until they are too old, or too many.'],
  ready: ['Nothing waits here', 'Messages that consumers have not taken yet stand here.'],
  unacked: ['Nothing is with a consumer', 'Messages that were delivered and are not acked yet stand here, with who has them and for how long.'],
  delayed: ['Nothing waits for another attempt', 'Messages that failed and are tried again later stand here, with when that is.'],
  parked: ['Nothing is parked', 'Messages that failed too often stand here until somebody decides.'],
};

export const Messages = view(({ vhost, name, state, count, consumers, log }, self) => {
  const place = self.keep('place', () => ({ vhost, name, state, log, begin: (isSearch) => (place.log ? passedOver(place.log, fromOffset(), isSearch) : 0) }));
  Object.assign(place, { consumers, log });
  const columns = self.keep('columns', () => columnsOf(place));
  const peek = self.keep('peek', () => peekOf(place));
  const selected = self.signal('selected', new Set());
  const filter = self.keep('filter', () => computed(() => parseFilter(query.value.filter ?? '')));
  self.onMount('load', () => effect(() => {
    const wanted = filter.value;
    if (place.log) void query.value.from;
    untracked(() => { selected.value = new Set(); peek.load(wanted); });
  }));
  self.onMount('again', () => again(peek, filter, selected));
  const mayAct = can('write', vhost) && state !== 'unacked' && !log;
  const { error } = filter.value;
  const isSearch = !filter.value.isEmpty;
  const rows = log && !isSearch && fromOffset() === null ? [...peek.rows.value].reverse() : peek.rows.value;
  const nothing = NOTHING[log ? 'stream' : state];
  return html`<div class="stack">
    ${peek.error.value ? html`<${Notice} tone="bad">${peek.error.value.message}<//>` : null}
    ${isSearch && peek.unread.value ? html`<${Notice}>${plural(peek.unread.value, 'message lies', 'messages lie')} on disk and were not looked into here: that would read too much. What is done with all that match looks into them, too, and says how many first.<//>` : null}
    <${Table} id="messages.${log ? 'stream' : state}" label="Messages" columns=${columns} rows=${rows} rowKey=${keyOf} href=${self.keep('href', () => (m) => hrefOf(place, m))}
      selected=${mayAct ? selected : undefined} sortName="order"
      toolbar=${html`<${Filter} label="Filter messages" placeholder="Filter: word, header.x=1, json.a.b=2, key:eu.*" help=${html`<${MessageHelp} />`} error=${error} />
        ${log ? html`<${StreamPlace} log=${log} rows=${rows} />` : null}${mayAct ? html`<${ActionBar} place=${place} peek=${peek} filter=${filter} selected=${selected} count=${count} />` : null}`}
      note=${html`<${Progress} peek=${peek} isSearch=${isSearch} count=${count} isLog=${Boolean(log)} />`}
      empty=${peek.at.value === null && !peek.error.value ? html`<${Skeleton} />` : isSearch ? html`<${Empty} icon="search" title=${peek.isBusy.value ? 'Looking' : 'Nothing matches'} />`
        : html`<${Empty} icon=${state} title=${nothing[0]}>${nothing[1]}<//>`} />
    ${rows.length && rows === peek.rows.value && !peek.isEnd.value ? html`<div class="row center"><button type="button" class="button" disabled=${peek.isBusy.value} onClick=${peek.more}>${isSearch ? 'Look for more' : 'Show more'}</button></div>` : null}
  </div>`;
}, 'Messages');

const keyOf = (message) => String(message.id);

/** Loads again and again, as long as the reader has not begun to do something with what is shown. */
function again(peek, filter, selected) {
  const timer = setInterval(() => {
    const isIdle = filter.value.isEmpty && selected.value.size === 0 && peek.lookedAt.value <= 100 && !peek.isBusy.value && !peek.error.value && !document.querySelector('dialog[open]');
    if (isIdle && !document.hidden) peek.load();
  }, AGAIN_MS);
  return () => clearInterval(timer);
}

/** How far it is. */
const Progress = view(({ peek, isSearch, count, isLog }) => {
  const shown = peek.rows.value.length;
  if (peek.at.value === null) return null;
  const text = isSearch ? `${number(shown)} found in ${plural(peek.lookedAt.value, 'message')}${peek.isEnd.value ? '' : ` of ${number(count)}`}`
    : shown < count ? `${isLog ? (fromOffset() === null ? 'newest ' : '') : 'first '}${number(shown)} of ${number(count)}` : plural(shown, 'message');
  return html`<span class="quiet num nowrap" role="status">${text}</span>
    ${peek.isBusy.value && isSearch ? html`<button type="button" class="button small" onClick=${peek.stop}>Stop</button>`
      : html`<button type="button" class="icon-button" aria-label="Load again" title="Load again" onClick=${() => peek.load()}><${Icon} name="replay" /></button>`}`;
}, 'Progress');
