/** What clients did that other brokers do not do alike. */
import { computed, html, view } from '../component.js';
import { number, plural } from '../format.js';
import { live } from '../live.js';
import { withQuery } from '../api.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Page, VhostPicker } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { query, setQuery } from '../router.js';
import { byPlace } from '../clients/portability.js';

/** @type {Array<[string, string]>} the brokers that may be asked about */
const TARGETS = [
  ['rabbitmq-3.13', 'RabbitMQ 3.13'], ['rabbitmq-4.0', 'RabbitMQ 4.0'], ['rabbitmq-4.3', 'RabbitMQ 4.3'], ['lavinmq-2', 'LavinMQ 2'],
];
const TITLES = Object.fromEntries(TARGETS);

/** @param {string} outcome */
const tone = (outcome) => (outcome.startsWith('refused') ? 'bad' : outcome === 'smell' ? 'plain' : 'warn');

const TargetPicker = view(() => {
  const chosen = query.value.target ?? '';
  return html`<span class="select"><select aria-label="Broker" value=${chosen} onChange=${(event) => setQuery({ target: event.target.value })}>
    <option value="">Any broker, and smells</option>
    ${TARGETS.map(([name, title]) => html`<option key=${name} value=${name} selected=${name === chosen}>${title}</option>`)}</select><${Icon} name="down" /></span>`;
}, 'TargetPicker');

/** @param {string} target */
const nothing = (target) => html`<${Empty} icon="ok" title="Nothing was found">What clients did since the broker started ${target
  ? `${TITLES[target] ?? target} does alike` : 'other brokers do alike'}, as far as the rules go.<//>`;

/** @param {import('../clients/portability.js').Verdict} verdict */
const verdictLine = ({ outcome, text, targets }) => html`<p key=${`${outcome} ${text}`} class="finding-verdict"><${Badge} tone=${tone(outcome)}>${outcome}<//>
  <span>${targets.length ? html`<b>${targets.map((target) => TITLES[target] ?? target).join(', ')}</b>: ` : null}${text}</span></p>`;

const Place = view(({ place }) => html`<li class="finding">
  <p class="finding-head"><b class="grow">${place.where}</b><span class="quiet">${place.vhost} · ${place.count === 1 ? 'once' : `${number(place.count)} times`} · <code>${place.rule}</code></span></p>
  ${place.verdicts.map(verdictLine)}
  <p><span class="quiet">Instead:</span> ${place.fix}</p>
</li>`, 'Place');

export default view((_, self) => {
  const found = self.keep('found', () => live(() => withQuery('/api/coney/lint', { target: query.value.target }), { keep: true }));
  const places = self.keep('places', () => computed(() => byPlace((found.data.value ?? []).filter((row) => !query.value.vhost || row.vhost === query.value.vhost))));
  return html`<${Page} title="Portability" lead="What clients of this broker did that others refuse, do not look at, or do otherwise. Each thing is listed once for each client.">
    <div class="row"><${TargetPicker} /><${VhostPicker} /><span class="grow"></span><span class="quiet" role="status">${places.value.length ? plural(places.value.length, 'finding') : null}</span></div>
    <${Loaded} of=${found}>${() => (places.value.length
    ? html`<ul class="plain card findings" aria-label="Findings">${places.value.map((place) => html`<${Place} key=${place.key} place=${place} />`)}</ul>`
    : nothing(query.value.target ?? ''))}<//>
  <//>`;
}, 'Portability');
