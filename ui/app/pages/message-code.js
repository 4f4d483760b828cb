/** The same publish, as a program or a command. */

import { html, view } from '../component.js';
import { live } from '../live.js';
import { bytesOf } from '../message/bytes.js';
import { readBody, fileName } from '../message/body.js';
import { LANGUAGES } from '../message/code/languages.js';
import { INLINE_MAX } from '../message/code/publish.js';
import { asNow, asPublished, isDeadLetter } from '../message/path.js';
import { query, setQuery } from '../router.js';
import { brokerIn } from '../parts/broker.js';
import { Code } from '../parts/copy.js';
import { Card } from '../parts/page.js';
import { Tabs } from '../parts/tabs.js';

export const CodeCard = view(({ message, place }, self) => {
  const overview = self.keep('overview', () => live('/api/overview?columns=listeners'));
  const name = self.signal('name', '');
  self.onMount('name', () => { readBody(message).then((body) => { name.value = fileName(place.name, place.position, body); }); });
  const hasOrigin = isDeadLetter(message);
  const isFirst = hasOrigin && query.value.from !== 'here';
  const source = isFirst ? asPublished(message) : asNow(message);
  const publish = {
    vhost: place.vhost, exchange: source.exchange, routingKey: source.routing_key, properties: source.properties, body: bytesOf(message), file: name.value,
    broker: brokerIn(overview.data.value?.listeners ?? []),
  };
  const tabs = LANGUAGES.map(({ id, label, title, write }) => ({
    id, label, draw: () => html`<${Code} text=${write(publish)} label="Copy: ${title}" />`,
  }));
  return html`<${Card} title="The same publish as code" actions=${hasOrigin ? html`<${From} isFirst=${isFirst} />` : null}>
    <${Tabs} tabs=${tabs} name="code" label="Language" />
    ${publish.body.length > INLINE_MAX ? html`<p class="quiet small">The body is large: save it above as ${name.value}, unless it is packed.</p>` : null}
  <//>`;
}, 'CodeCard');

function From({ isFirst }) {
  const choose = (from) => setQuery({ from }, { replace: true });
  return html`<div class="switch switch-words" role="group" aria-label="Which publish">
    <button type="button" aria-pressed=${isFirst ? 'true' : 'false'} title="To the exchange that it was first published to, with that key" onClick=${() => choose('')}>As first published</button>
    <button type="button" aria-pressed=${isFirst ? 'false' : 'true'} title="To the exchange by which it came here" onClick=${() => choose('here')}>As it came here</button></div>`;
}
