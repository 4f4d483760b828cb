/** Ages that tick, with the exact time in the reader's zone as their title. */
import { html, signal, view } from '../component.js';
import { clockAhead } from '../session.js';
import { duration, instant, moment, shortDuration, shortMoment } from '../format.js';

/** The server's now in ms, once a second, while the page can be seen. */
export const now = signal(Date.now());
setInterval(() => { if (!document.hidden) now.value = Date.now() + clockAhead.peek(); }, 1000);

const iso = (at) => (instant(at) === null ? undefined : new Date(instant(at)).toISOString());

/** How long ago: `4 s`, `3 min`. */
export const Age = view(({ at }) => {
  if (instant(at) === null) return html`<span class="quiet">–</span>`;
  return html`<time datetime=${iso(at)} title=${moment(at)}>${shortDuration(now.value - instant(at))}</time>`;
}, 'Age');

/** How long until then: `in 4 s`, or `now`. */
export const Due = view(({ at }) => {
  if (instant(at) === null) return html`<span class="quiet">–</span>`;
  const left = instant(at) - now.value;
  return html`<time datetime=${iso(at)} title=${moment(at)}>${left <= 0 ? 'now' : `in ${duration(Math.ceil(left / 1000) * 1000)}`}</time>`;
}, 'Due');

/** When: the clock today, with the day before that. */
export function When({ at }) {
  if (instant(at) === null) return html`<span class="quiet">–</span>`;
  return html`<time datetime=${iso(at)} title=${moment(at)}>${shortMoment(at)}</time>`;
}
