/** Cursors of a stream: where consumers go on that read with them. They are moved and deleted here. */
import { html, view } from '../component.js';
import { del, put, url } from '../api.js';
import { number, plural } from '../format.js';
import { refresh } from '../live.js';
import { can } from '../session.js';
import { confirm } from '../parts/confirm.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Empty } from '../parts/empty.js';
import { Field, Refusal, submission } from '../parts/form.js';
import { Menu } from '../parts/menu.js';
import { Table } from '../parts/table.js';
import { Age } from '../parts/time.js';
import { toast } from '../parts/toast.js';

const path = ({ vhost, name }, cursor) => url`/api/coney/queues/${vhost}/${name}/cursors/${cursor.name}`;

/** What a move means, in words. */
const effect = (cursor, to) => {
  const reader = cursor.consumer_tag ? html`<p>Its reader, <b>${cursor.consumer_tag}</b>, goes on there at once.</p>` : html`<p>Nobody reads with it at the moment; the next one who does begins there.</p>`;
  return html`<p>${to}</p>${reader}`;
};

async function move(queue, cursor, to) {
  const { offset } = await put(path(queue, cursor), to);
  toast(`The cursor ${cursor.name} is at offset ${number(offset)}.`);
  refresh('/api/queues');
}

const toFirst = (queue, cursor) => confirm({
  title: `Begin again with ${cursor.name}?`, action: 'Begin again', danger: false,
  children: effect(cursor, `It goes back to the oldest message: ${plural(queue.next_offset - queue.first_offset, 'message')} will be delivered, those that were acked as well.`),
  run: () => move(queue, cursor, { offset: 'first' }),
});

const toEnd = (queue, cursor) => confirm({
  title: `Skip to the end with ${cursor.name}?`, action: 'Skip', name: cursor.name, count: cursor.lag,
  children: effect(cursor, `${plural(cursor.lag, 'message')} will not be delivered with it. They stay in the stream, and it can be moved back.`),
  run: () => move(queue, cursor, { offset: 'next' }),
});

const toPlace = (queue, cursor) => openDialog({ title: `Move ${cursor.name}`, draw: (close) => html`<${Move} queue=${queue} cursor=${cursor} close=${close} />` });

/** An offset, or a time by the reader's clock. */
const Move = view(({ queue, cursor, close }, self) => {
  const [kind, offset, time] = [self.signal('kind', 'offset'), self.signal('offset', String(cursor.offset)), self.signal('time', '')];
  const isReady = () => (kind.value === 'offset' ? /^-?\d+$/.test(offset.value.trim()) : time.value !== '');
  const { error, isBusy, submit } = submission(self, async () => {
    await move(queue, cursor, kind.value === 'offset' ? { offset: Number(offset.value) } : { timestamp: new Date(time.value).getTime() });
    close(true);
  }, isReady);
  return html`<form onSubmit=${submit}>
    <${Field} label="To" type="select" value=${kind} options=${[['offset', 'an offset'], ['time', 'a time']]} />
    ${kind.value === 'offset'
    ? html`<${Field} label="Offset" value=${offset} inputmode="numeric" autofocus help=${`From ${number(queue.first_offset)} to ${number(queue.next_offset)}. A negative number is so many of the newest.`} />`
    : html`<${Field} label="Time" type="datetime-local" step="1" value=${time} help="The first message that came then or later" />`}
    <div class="prose">${effect(cursor, 'What lies before that place is not delivered with this cursor, what lies behind it is, whether it was acked or not.')}</div>
    <${Refusal} text=${error.value} />
    <${DialogActions}><button type="button" class="button" onClick=${() => close()}>Cancel</button><button type="submit" class="button primary" disabled=${!isReady() || isBusy.value}>Move</button><//>
  </form>`;
}, 'MoveCursor');

const remove = (queue, cursor) => confirm({
  title: `Delete the cursor ${cursor.name}?`, action: 'Delete',
  children: html`<p>The broker forgets how far ${cursor.name} has come. Who reads with a cursor of this name later begins where its <code>x-stream-offset</code> says.</p>`,
  run: async () => {
    await del(path(queue, cursor));
    toast(`The cursor ${cursor.name} is deleted.`);
    refresh('/api/queues');
  },
});

const Actions = ({ queue, cursor }) => html`<${Menu} label=${`Actions on ${cursor.name}`} items=${[
  { label: 'Begin again', hint: 'at the oldest message', run: () => toFirst(queue, cursor) },
  { label: 'Move to a place', hint: 'an offset or a time', run: () => toPlace(queue, cursor) },
  { label: 'Skip to the end', run: () => toEnd(queue, cursor) },
  cursor.consumer_tag || cursor.name.startsWith('amq.') ? null : { label: 'Delete', danger: true, run: () => remove(queue, cursor) },
]} />`;

/** The queue that is fed with it, if it is one's. */
const queueOf = ({ name }) => (name.startsWith('amq.queue.') ? name.slice('amq.queue.'.length) : undefined);
const readerOf = (it) => queueOf(it) ?? it.consumer_tag ?? undefined;

const COLUMNS = [
  { id: 'name', title: 'Cursor', always: true, min: 170, value: (it) => it.name, text: (it) => it.name, cell: (it) => it.name },
  { id: 'offset', title: 'Offset', width: 120, align: 'end', help: 'The first message that is not done', value: (it) => it.offset, cell: (it) => html`<span class="num">${it.offset}</span>` },
  { id: 'lag', title: 'Behind', width: 110, align: 'end', phone: true, help: 'Messages between there and the end', value: (it) => it.lag, cell: (it) => number(it.lag) },
  { id: 'unacked', title: 'Unacked', width: 96, align: 'end', value: (it) => it.unacked, cell: (it) => number(it.unacked) },
  { id: 'reader', title: 'Read by', min: 150, phone: true, value: readerOf, text: readerOf, cell: (it) => (readerOf(it) ? html`${queueOf(it) ? 'queue ' : ''}${readerOf(it)}` : html`<span class="quiet">nobody</span>`) },
  { id: 'waiting', title: 'Waiting', width: 96, align: 'end', help: 'Consumers that take over when the reader goes', value: (it) => it.waiting, cell: (it) => number(it.waiting) },
  { id: 'used', title: 'Last used', width: 110, align: 'end', phone: true, value: (it) => it.used_at, cell: (it) => html`<${Age} at=${it.used_at} />` },
];

/** A cursor's place, and what can be done with it by those who may. */
const columnsOf = (queue) => (can('write', queue.vhost)
  ? [...COLUMNS, { id: 'actions', title: '', width: 56, align: 'end', always: true, cell: (it) => html`<${Actions} queue=${queue} cursor=${it} />` }] : COLUMNS);

export const Cursors = view(({ queue }, self) => {
  const kept = self.keep('columns', () => ({ queue: null, columns: null }));
  if (kept.queue !== queue) Object.assign(kept, { queue, columns: columnsOf(queue) });
  return html`<${Table} id="queue.cursors" label="Cursors" columns=${kept.columns} rows=${queue.cursors ?? []} rowKey=${(it) => it.name} sort="name" sortName="order"
  empty=${html`<${Empty} icon="consumers" title="No cursors">A consumer with <code>x-stream-cursor</code> goes on where the one before it acked; where that is stands here.<//>`} />`;
}, 'Cursors');
