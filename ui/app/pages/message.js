/** One message: what it is, where it was, what can be done with it. */

import { html, view } from '../component.js';
import { url, withQuery } from '../api.js';
import { live } from '../live.js';
import { isDeadLetter } from '../message/path.js';
import { link } from '../router.js';
import { bytes, number } from '../format.js';
import { Empty, Skeleton } from '../parts/empty.js';
import { Card, Facts, Page } from '../parts/page.js';
import { Badge, Notice, State } from '../parts/state.js';
import { Age, Due, When } from '../parts/time.js';
import { MessageActions } from './message-actions.js';
import { BodyCard } from './message-body.js';
import { CodeCard } from './message-code.js';
import { HeadersCard } from './message-headers.js';
import { HistoryCard } from './message-history.js';
import { PathCard } from './message-path.js';
import { hasContent } from './queue-peek.js';
import { isStream } from './queue-problem.js';

export default view(({ params }, self) => {
  const place = self.keep('place', () => ({ vhost: params.vhost, name: params.name, position: Number(params.position) }));
  const watched = self.keep('watched', () => live(withQuery(url`/api/coney/queues/${params.vhost}/${params.name}/messages`, { position: params.position })));
  const found = watched.data.value === undefined ? undefined : watched.data.value[0] ?? null;
  const error = watched.error.value;
  const queue = self.keep('queue', () => live(withQuery(url`/api/queues/${params.vhost}/${params.name}`, { columns: 'type' })));
  const isLog = isStream(queue.data.value ?? {});
  const title = `Message ${params.position}`;
  const crumbs = [['Queues', link(['queues'])], [params.name, link(['queues', params.vhost, params.name])]];
  const lead = found && html`<${Lead} message=${found} isLog=${isLog} />`;
  const actions = found && html`<${MessageActions} place=${place} message=${found} isLog=${isLog} onDone=${watched.refresh} />`;
  return html`<${Page} title=${title} crumbs=${crumbs} lead=${lead} actions=${actions}>
    ${error && found !== undefined ? html`<${Notice} tone="warn">${error.message} What stands here is old.<//>` : null}
    ${content(place, found, error)}
  <//>`;
}, 'Message');

function content(place, message, error) {
  if (message === undefined && error?.status === 404) return html`<div class="stack"><${Notice}>${error.message}<//><${HistoryCard} place=${place} /></div>`;
  if (message === undefined && error) return html`<${Notice} tone="bad">${error.message}<//>`;
  if (message === undefined) return html`<${Skeleton} lines=${8} />`;
  if (message === null) return html`<div class="stack"><${Gone} place=${place} /><${HistoryCard} place=${place} /></div>`;
  if (!hasContent(message)) return html`<div class="stack"><${Standing} message=${message} place=${place} /><${HistoryCard} place=${place} /></div>`;
  return html`<div class="stack">
    <${Standing} message=${message} place=${place} />
    ${isDeadLetter(message) ? html`<${PathCard} message=${message} place=${place} />` : null}
    <div class="message-columns">
      <div class="stack">${hasFailed(message)
    ? html`<${HistoryCard} key="history" place=${place} /><${BodyCard} key="body" message=${message} place=${place} />`
    : html`<${BodyCard} key="body" message=${message} place=${place} /><${HistoryCard} key="history" place=${place} />`}</div>
      <${HeadersCard} message=${message} />
    </div>
    <${CodeCard} message=${message} place=${place} />
  </div>`;
}

/** Of one that failed people ask first why it is here. */
const hasFailed = (message) => isDeadLetter(message) || Boolean(message.attempts) || message.state === 'delayed' || message.state === 'parked';

function Gone({ place }) {
  const actions = html`<a class="button" href=${link(['queues', place.vhost, place.name])}>To the queue</a>`;
  return html`<div class="card"><${Empty} icon="queues" title="This message is not in ${place.name} any more" actions=${actions}>
    It was consumed, moved, dead-lettered, dropped or expired since this page was opened or its link was made.<//></div>`;
}

function Lead({ message, isLog }) {
  return html`<span class="row">${isLog ? html`<${Badge}>stream<//>` : html`<${State} state=${message.state} />`}
    ${message.redelivered ? html`<${Badge} title="It was delivered before, and came back">redelivered<//>` : null}
    ${message.priority > 0 ? html`<${Badge}>priority ${message.priority}<//>` : null}
    ${message.payload_bytes === undefined ? null : html`<span class="quiet">${bytes(message.payload_bytes)}</span>`}
    ${hasContent(message) && !message.in_memory ? html`<${Badge} title="The queue keeps it on disk; it was read for this page">on disk<//>` : null}</span>`;
}

/** Who has it, what it waits for, and how often it was tried. */
function Standing({ message, place }) {
  const items = [...heldBy(message, place), ...waitsFor(message), ...tried(message)];
  const note = hasContent(message) ? null : html`<${Notice} title="Its content is not in memory">It is on disk and was not found there just now: it is on its way back to memory, or has left the queue.<//>`;
  return html`${note}${items.length > 0 ? html`<${Card}><${Facts} items=${items} /><//>` : null}`;
}

function heldBy({ holder }, { vhost }) {
  if (!holder) return [];
  const name = holder.connection_name;
  if (!name && !holder.consumer_tag) return [['Held by', 'the broker, which is at work on the queue'], ['Held for', html`<${Age} at=${holder.since} />`]];
  const consumer = holder.consumer_tag ? html`<a href=${link(['consumers'], { vhost, filter: holder.consumer_tag })}>${holder.consumer_tag}</a>` : 'no consumer (basic.get, or cancelled)';
  return [
    ['Held by', consumer],
    ['Connection', name ? html`<a href=${link(['connections', name])}>${name}</a>` : 'closing'],
    ['Channel', number(holder.channel)],
    ['Held for', html`<${Age} at=${holder.since} />`],
  ];
}

function waitsFor({ state, due_at: due, expires_at: expires }) {
  return [
    due ? [state === 'parked' ? 'Goes when nobody decides' : 'Next attempt', html`<${Due} at=${due} />`] : null,
    expires ? ['Expires', html`<${Due} at=${expires} />`] : null,
  ].filter(Boolean);
}

function tried({ attempts }) {
  if (!attempts) return [];
  return [
    ['Deliveries', `${number(attempts.deliveries)}${attempts.counted === attempts.deliveries ? '' : ` (${number(attempts.counted)} count)`}`, 'Deliveries that count toward the delivery limit, where they differ'],
    attempts.parked ? ['Parked', `${number(attempts.parked)} times`] : null,
    ['First returned', html`<${When} at=${attempts.first_at} />`],
    ['Last returned', html`<${When} at=${attempts.last_at} />`],
    attempts.last_consumer_tag ? ['Last consumer', attempts.last_consumer_tag] : null,
    attempts.last_error ? ['Last error', html`<span class="bad">${attempts.last_error}</span>`] : null,
  ].filter(Boolean);
}

