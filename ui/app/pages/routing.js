/** The routing tester as a page of its own: what would become of a message, without publishing it. */
import { html, view } from '../component.js';
import { query, setQuery } from '../router.js';
import { vhosts } from '../session.js';
import { url } from '../api.js';
import { live } from '../live.js';
import { Icon } from '../parts/icon.js';
import { Empty } from '../parts/empty.js';
import { Page } from '../parts/page.js';
import { RoutingTester } from './routing-tester.js';

export default view((_, self) => {
  const vhost = query.value.vhost || vhosts.value[0] || '/';
  const exchanges = self.keep('exchanges', () => live(() => `${url`/api/exchanges/${query.value.vhost || vhosts.value[0] || '/'}`}?page=1&page_size=500&columns=name,type,arguments&disable_stats=true`));
  const all = (exchanges.data.value?.items ?? []).filter(({ name }) => name !== '');
  const exchange = query.value.exchange ?? '';
  const known = all.find(({ name }) => name === exchange);
  const choose = html`<div class="fields routing-where">
    ${vhosts.value.length > 1 ? html`<${Choice} label="Virtual host" value=${vhost} options=${vhosts.value} onChange=${(to) => setQuery({ vhost: to, exchange: '' })} />` : null}
    <${Choice} label="Exchange" value=${exchange} options=${['', ...all.map(({ name }) => name)]} text=${(name) => name || 'Choose an exchange'} onChange=${(to) => setQuery({ exchange: to })} />
  </div>`;
  return html`<${Page} title="Routing tester" lead="Which queues a message would reach, by which bindings, and why others do not take it. Nothing is published.">
    <div class="stack"><div class="card">${choose}</div>
    ${exchange === '' ? html`<div class="card"><${Empty} icon="routing" title="Choose an exchange">Then give a routing key or headers, as a publisher would.<//></div>`
      : html`<${RoutingTester} key=${`${vhost} ${exchange}`} vhost=${vhost} exchange=${exchange} type=${known?.type} />`}</div>
  <//>`;
}, 'Routing');

function Choice({ label, value, options, onChange, text = (it) => it }) {
  return html`<div class="field"><label for=${`routing-${label}`}>${label}</label><span class="select"><select id=${`routing-${label}`} value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${options.map((option) => html`<option key=${option} value=${option} selected=${option === value}>${text(option)}</option>`)}</select><${Icon} name="down" /></span></div>`;
}
