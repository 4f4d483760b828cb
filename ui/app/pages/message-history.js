/** The history of a message, a sentence a step, over all the queues that it was in. */

import { html, view } from '../component.js';
import { url, withQuery } from '../api.js';
import { number } from '../format.js';
import { live } from '../live.js';
import { hopsOf } from '../message/hops.js';
import { link } from '../router.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';
import { When } from '../parts/time.js';

/** What happened, by how bad it is. What is not named here is plain. */
const TONES = {
  failed: 'bad', 'timed-out': 'bad', 'dead-lettered': 'bad', dropped: 'bad', refused: 'bad', expired: 'bad', 'consumer-lost': 'bad', 'connection-lost': 'bad', unroutable: 'bad',
  returned: 'warn', requeued: 'warn', delayed: 'warn', parked: 'warn', duplicate: 'warn', purged: 'warn', acked: 'good', confirmed: 'good', released: 'good',
};
const ICONS = {
  published: 'send', enqueued: 'queues', delivered: 'consumers', acked: 'ok', confirmed: 'ok', failed: 'error', 'timed-out': 'delayed', requeued: 'replay', returned: 'replay',
  delayed: 'delayed', parked: 'parked', released: 'play', expired: 'delayed', 'dead-lettered': 'move', dropped: 'trash', purged: 'trash', refused: 'error', unroutable: 'error',
  duplicate: 'copy', 'consumer-lost': 'connections', 'connection-lost': 'connections', moved: 'move', replayed: 'replay',
};

export const HistoryCard = view(({ place }, self) => {
  const history = self.keep('history', () => live(withQuery(url`/api/coney/history/${place.vhost}`, {
    queue: place.name, position: place.position, utc_offset_min: -new Date().getTimezoneOffset(),
  })));
  const error = history.error.value;
  const data = history.data.value;
  if (data === undefined && error?.status === 404) return null;
  return html`<${Card} title="What happened to it">
    ${error && data === undefined ? html`<${Notice} tone="warn">${error.message}<//>` : null}
    ${data === undefined ? null : html`<${Messages} messages=${data.messages} place=${place} /><${Limits} history=${data} />`}
  <//>`;
}, 'HistoryCard');

function Messages({ messages, place }) {
  const told = messages.filter(({ steps }) => steps.length > 0);
  if (told.length === 0) return html`<${Nothing} messages=${messages} place=${place} />`;
  return html`<div class="history">${told.map((message) => html`<${Told} key=${`${message.queue} ${message.position}`} message=${message} place=${place} hasOthers=${told.length > 1} />`)}</div>`;
}

/** Failures are always noted; of what goes well nothing is, unless somebody records. */
function Nothing({ messages, place }) {
  const isHere = messages.some(({ state }) => ['ready', 'unacked', 'delayed', 'parked'].includes(state));
  const text = isHere ? 'Nothing went wrong with it so far.' : 'The journal has nothing of it: nothing went wrong with it, or that was before the journal begins.';
  return html`<p class="quiet said">${text} Failures are always noted; a <a href=${link(['recorder'], { vhost: place.vhost })}>recording</a> notes every step.</p>`;
}

function Told({ message, place, hasOthers }) {
  const { queue, position, steps, state, now } = message;
  const isThis = queue === place.name && position === place.position;
  const name = queue === null ? html`<span>In no queue</span>` : isThis ? html`<span>${queue}</span>` : html`<a href=${link(['queues', place.vhost, queue, 'messages', String(position)])}>${queue}</a>`;
  const heading = html`<h3 class="history-queue"><${Icon} name="queues" />${name}${position === null ? null : html`<span class="quiet num">#${position}</span>`}
    ${isThis ? html`<${Badge} tone="accent">this message<//>` : html`<${Badge}>${state}<//>`}</h3>`;
  return html`<section>${hasOthers ? heading : null}
    <ol class="steps">${steps.map((step, index) => html`<${Step} key=${index} step=${step} place=${place} />`)}
      <li class="step step-now"><span class="step-icon"><${Icon} name=${STATE_ICONS[state] ?? 'info'} /></span><span class="step-when quiet">now</span><span class="step-text">${now}</span></li></ol></section>`;
}

const STATE_ICONS = { ready: 'ready', unacked: 'unacked', delayed: 'delayed', parked: 'parked', gone: 'check' };

/** How far back it can be told. */
function Limits({ history: { since, lost, is_cut: isCut } }) {
  if (lost === 0 && !isCut) return null;
  return html`<p class="quiet small history-note">${lost > 0 ? html`The journal goes back to <${When} at=${since} />: ${number(lost)} older events made room for newer ones. ` : null}
    ${isCut ? 'There are more messages on this way than these.' : null}</p>`;
}

function Step({ step: { at, what, sentence, event }, place }) {
  return html`<li class="step step-${TONES[what] ?? 'plain'}"><span class="step-icon"><${Icon} name=${ICONS[what] ?? 'info'} /></span>
    <span class="step-when quiet num"><${When} at=${at} /></span><span class="step-text">${sentence}<${Routing} hops=${hopsOf(event)} place=${place} /></span></li>`;
}

/** The bindings by which a recorded publish came here, each with its exchange: a way to see and change them. */
function Routing({ hops, place }) {
  if (hops.length === 0) return null;
  const end = ({ kind, name }) => (kind === 'more' ? html`<span class="quiet">${name}</span>` : html`<a href=${link([kind === 'queue' ? 'queues' : 'exchanges', place.vhost, name])}>${name}</a>`);
  return html`<ul class="hops small" aria-label="The bindings by which it was routed">${hops.map(({ from, by, to }, index) => html`<li key=${index}>${end(from)}
    <span class="quiet" aria-hidden="true"> → </span>${by.key === undefined ? html`<span class="quiet">${by.text}</span>` : html`<code>${by.key}</code>${by.text ? html` <code class="quiet">${by.text}</code>` : null}`}
    <span class="quiet" aria-hidden="true"> → </span>${end(to)}</li>`)}</ul>`;
}
