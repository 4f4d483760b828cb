/** Events of the journal, a sentence each. */
import { html, view } from '../component.js';
import { Skeleton } from '../parts/empty.js';
import { Card } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { When } from '../parts/time.js';
import { link } from '../router.js';
import { plural } from '../format.js';
import { feed } from './feed.js';
import { isFailure, kindOf } from './kinds.js';

const TONES = { connected: 'good', closed: 'plain', 'channel-closed': 'bad', 'consumer-cancelled': 'warn', blocked: 'bad', unblocked: 'good' };
const toneOf = (event) => (isFailure(event) ? kindOf(event.what).tone : (TONES[event.what] ?? 'plain'));

/** Where it happened, as a link to the message if it is about one. */
function Where({ event }) {
  if (!event.queue) return event.exchange ? html`<a class="event-where" href=${link(['exchanges', event.vhost, event.exchange])}>${event.exchange}</a>` : null;
  if (event.position == null) return html`<a class="event-where" href=${link(['queues', event.vhost, event.queue])}>${event.queue}</a>`;
  return html`<a class="event-where" href=${link(['queues', event.vhost, event.queue, 'messages', event.position])}>${event.queue} #${event.position}</a>`;
}

/** One of them; it is drawn once, for an event does not change. */
const Item = view(({ event }) => html`<li class="event">
  <${When} at=${event.at} />
  <span><${Badge} tone=${toneOf(event)}>${kindOf(event.what).label}${event.count > 1 ? ` × ${event.count.toLocaleString('en')}` : ''}<//></span>
  <span class="event-text"><${Where} event=${event} />${event.sentence}</span>
</li>`, 'Item');

/** @param {{events: any[]}} props newest first */
export function EventList({ events }) {
  return html`<ol class="events">${events.map((event) => html`<${Item} key=${`${event.vhost} ${event.number}`} event=${event} />`)}</ol>`;
}

const SHOWN = 20;

/**
 * What the journal has about something, newest first; nothing at all where the broker has no journal.
 * @param {{title: string, vhost: string, filter: Record<string, any>, keep?: (event: any) => boolean, empty?: string}} props
 */
export const EventsOf = view(({ title, vhost, filter, keep, empty = 'Nothing so far.' }, self) => {
  const followed = self.keep('feed', () => feed(() => ({ vhost, filter })));
  const isWhole = self.signal('whole', false);
  const { events, lost, error, isHere } = followed;
  if (error.value?.status === 404) return null;
  const kept = keep ? events.value.filter(keep) : events.value;
  const shown = isWhole.value ? kept : kept.slice(0, SHOWN);
  return html`<${Card} title=${title}>
    ${!isHere.value && kept.length === 0 && !error.value ? html`<${Skeleton} lines=${3} />` : null}
    ${error.value ? html`<p class="field-error">${error.value.message}</p>` : null}
    ${isHere.value && kept.length === 0 ? html`<p class="quiet">${empty} Failures are noted at once; the rest is while it is <a href="#/recorder">recorded</a>.</p>` : null}
    <${EventList} events=${shown} />
    ${shown.length < kept.length ? html`<button type="button" class="button small" onClick=${() => { isWhole.value = true; }}>Show ${plural(kept.length - shown.length, 'more', 'more')}</button>` : null}
    ${lost.value > 0 ? html`<p class="quiet small">${plural(lost.value, 'older event')} made room for newer ones.</p>` : null}
  <//>`;
}, 'EventsOf');
