/** x-death, drawn as a line with stations: the queues that the message was in, and how it left them. */

import { html } from '../component.js';
import { moment, number } from '../format.js';
import { link } from '../router.js';
import { REASONS, pathOf } from '../message/path.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { When } from '../parts/time.js';

export function PathCard({ message, place }) {
  const stations = pathOf(message, place.name);
  return html`<${Card} title="Its way here">
    <ol class="way" tabindex="0" aria-label="Queues that the message was in, the first one first">
      ${stations.map((station, index) => html`<${Station} key=${index} station=${station} vhost=${place.vhost} isFirst=${index === 0} />`)}
    </ol>
  <//>`;
}

function Station({ station: { via, queue, death }, vhost, isFirst }) {
  return html`<li class="way-stop ${death === null ? 'way-here' : ''}">
    <div class="way-via"><span class="way-line"></span>
      <span class="way-label"><span class="sr-only">${isFirst ? 'Published to' : 'Sent to'} </span><${Via} via=${via} vhost=${vhost} /></span></div>
    <div class="way-box">
      <p class="way-queue"><${Icon} name="queues" /><a class="cut" title=${queue} href=${link(['queues', vhost, queue])}>${queue}</a></p>
      ${death === null ? html`<p class="quiet">It is here now.</p>` : html`<${Death} death=${death} />`}
    </div>
  </li>`;
}

function Via({ via: { exchange, keys }, vhost }) {
  const name = exchange === '' ? 'default exchange' : exchange;
  return html`<a class="cut" title=${name} href=${link(['exchanges', vhost, exchange || 'amq.default'])}>${name}</a>
    ${keys.length > 0 && keys[0] !== '' ? html`<code class="cut" title="Routing key ${keys.join(', ')}">${keys.join(', ')}</code>` : null}`;
}

function Death({ death }) {
  const facts = [
    death.attempts === null ? null : `${number(death.attempts)} ${death.attempts === 1 ? 'delivery' : 'deliveries'}`,
    death.consumer === null ? null : `last to ${death.consumer}`,
    death.expiration === null ? null : `expiration was ${death.expiration} ms`,
  ].filter(Boolean);
  return html`<p><${Badge} tone="bad" title=${REASONS[death.reason]}>${death.reason.replaceAll('_', ' ')}<//>
      ${death.count > 1 ? html` <${Badge} title="Times that it left this queue for this reason">${number(death.count)} times<//>` : null}</p>
    ${death.error === null ? null : html`<p class="way-error" title=${death.error}>${death.error}</p>`}
    <p class="quiet small">${facts.length > 0 ? html`${facts.join(', ')}<br />` : null}${death.at === null ? null
      : html`<span title=${moment(death.at)}>${death.count > 1 ? 'first ' : ''}<${When} at=${death.at} /></span>`}</p>`;
}
