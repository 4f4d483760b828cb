/** What a queue of type stream shows in place of states: a log that is read by offset, from which nothing is taken. */
import { html, signal, view } from '../component.js';
import { get, url } from '../api.js';
import { bytes, number, rate, shortMoment } from '../format.js';
import { query, setQuery } from '../router.js';
import { Icon } from '../parts/icon.js';
import { Age } from '../parts/time.js';
import { toast } from '../parts/toast.js';

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

/** Messages that are shown at a time. */
const PAGE = 100;

/** The offset that the list begins with (`?from=`); `null` where it shows the newest. */
export const fromOffset = () => (/^\d+$/.test(query.value.from ?? '') ? Number(query.value.from) : null);

/** How many of a stream's messages are passed over, to come to the wanted ones. */
export function passedOver({ first_offset: first = 0, next_offset: next = 0 }, from, isSearch) {
  if (from !== null) return Math.max(0, Math.min(from, next) - first);
  return isSearch ? 0 : Math.max(0, next - first - PAGE);
}

/** The time line of a log: wherever it is let go, the messages of that time are shown. */
const Scrubber = view(({ log, to }, self) => {
  const { vhost, name, first_timestamp: first, last_timestamp: last } = log;
  const chosen = self.keep('chosen', () => signal(null));
  if (!first || !(last > first)) return null;
  const show = async (event) => {
    try {
      const [message] = await get(url`/api/coney/queues/${vhost}/${name}/messages?from_timestamp=${event.target.value}&limit=1&truncate=0`);
      to(message ? String(message.id) : '');
    } catch (error) {
      toast(error.message, { tone: 'bad' });
    }
  };
  const at = chosen.value ?? last;
  return html`<label class="row nowrap scrubber">From time <input type="range" min=${first} max=${last} value=${at} aria-valuetext=${shortMoment(at)}
    onInput=${(event) => { chosen.value = Number(event.target.value); }} onChange=${show} /> <output>${shortMoment(at)}</output></label>`;
}, 'Scrubber');

/** Goes to an offset or a time, back to older ones, or to the end. */
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
    <${Scrubber} log=${log} to=${to} />
  </form>`;
}, 'StreamPlace');
