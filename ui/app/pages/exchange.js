/** One exchange: what leads from it and to it, publishing to it, and what would become of a message. */
import { html, view } from '../component.js';
import { del, url, withQuery } from '../api.js';
import { number, rate } from '../format.js';
import { live } from '../live.js';
import { go, link } from '../router.js';
import { can } from '../session.js';
import { Chart } from '../parts/chart.js';
import { confirm } from '../parts/confirm.js';
import { Copy } from '../parts/copy.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Menu } from '../parts/menu.js';
import { Page } from '../parts/page.js';
import { Publish } from '../parts/publish.js';
import { Badge } from '../parts/state.js';
import { Tabs } from '../parts/tabs.js';
import { toast } from '../parts/toast.js';
import { Incoming, Outgoing } from './exchange-bindings.js';
import { DEFAULT, TYPES, featuresOf, rateOf, troubleOf } from './exchange-words.js';
import { RoutingTester } from './routing-tester.js';

/** Samples of the last minute, one each five seconds: more would be the same numbers again. */
const SAMPLES = { lengths_age: 60, lengths_incr: 5, msg_rates_age: 60, msg_rates_incr: 5 };

export default view(({ params: { vhost, name: asked } }, self) => {
  const name = asked === DEFAULT ? '' : asked;
  const exchange = self.keep('exchange', () => live(withQuery(url`/api/exchanges/${vhost}/${asked}`, SAMPLES)));
  const data = exchange.data.value;
  const isGone = exchange.error.value?.status === 404;
  const title = name === '' ? 'Default exchange' : html`${name} <${Copy} text=${name} label="Copy the name" />`;
  const crumbs = [['Exchanges', link('/exchanges', { vhost: vhost === '/' ? '' : vhost })]];
  const missing = html`<${Empty} icon="exchanges" title="There is no such exchange" actions=${html`<a class="button" href=${link('/exchanges')}>To the exchanges</a>`}>It was deleted, or you may not see it.<//>`;
  return html`<${Page} title=${title} name=${name || 'Default exchange'} crumbs=${crumbs} lead=${data && !isGone ? html`<${Lead} exchange=${data} />` : null}
    actions=${data && !isGone ? html`<${Actions} exchange=${data} />` : null}>
    ${isGone ? html`<div class="card">${missing}</div>` : html`<${Loaded} of=${exchange}>${(found) => html`<div class="stack"><${Numbers} exchange=${found} /><${Parts} exchange=${found} /></div>`}<//>`}
  <//>`;
}, 'Exchange');

const Lead = view(({ exchange }) => {
  const trouble = troubleOf(exchange);
  return html`<span class="stack tight"><span class="row">
      ${trouble ? html`<${Badge} tone="warn" icon="warning" title=${trouble.help}>${trouble.label}<//>` : null}
      <span>${[exchange.vhost === '/' ? null : `vhost ${exchange.vhost}`, exchange.type, ...featuresOf(exchange)].filter(Boolean).join(' · ')}</span>
      ${exchange.policy ? html`<span>policy <a href=${link(['policies', exchange.vhost, exchange.policy])}>${exchange.policy}</a></span>` : null}
    </span><span>${exchange.name === '' ? 'A message goes to the queue that its routing key names. Every queue is bound so.' : TYPES[exchange.type] ?? ''}</span></span>`;
}, 'Lead');

const Actions = view(({ exchange }) => {
  const isOwn = exchange.name === '' || exchange.name.startsWith('amq.');
  const seen = html`<a class="button" href=${link('/topology', { vhost: exchange.vhost === '/' ? '' : exchange.vhost, focus: `e:${exchange.name}` })}><${Icon} name="topology" />Show in topology</a>`;
  return html`${exchange.name === '' ? null : seen}
    ${can('write', exchange.vhost) && !isOwn ? html`<${Menu} label="More" items=${[{ label: 'Delete the exchange', icon: 'trash', danger: true, run: () => remove(exchange) }]} />` : null}`;
}, 'Actions');

function remove({ vhost, name }) {
  return confirm({
    title: `Delete the exchange ${name}?`, action: 'Delete', name,
    children: html`<p>Its bindings go with it. Publishers get an error and lose their channel when they publish to it; dead letters for it are dropped.</p>`,
    run: async () => {
      await del(url`/api/exchanges/${vhost}/${name}`);
      toast(`The exchange ${name} is deleted.`);
      go('/exchanges');
    },
  });
}

const LINES = [['publish_in', 'In', '--line-1'], ['publish_out', 'Out', '--line-2']];

const Numbers = view(({ exchange }) => {
  const lines = LINES.map(([name, label, colour]) => ({ label, colour, points: perSecond(exchange.message_stats?.[`${name}_details`]?.samples ?? []) }));
  const stats = exchange.message_stats ?? {};
  return html`<div class="exchange-numbers">
    <div class="tiles">
      <div class="tile"><span>In</span><b>${rate(rateOf(exchange, 'publish_in'))}</b></div>
      <div class="tile" title="A message that goes to three queues counts three times"><span>Out to queues</span><b>${rate(rateOf(exchange, 'publish_out'))}</b></div>
      <div class="tile"><span>In, total</span><b>${number(stats.publish_in ?? 0)}</b></div>
      <div class="tile"><span>Out, total</span><b>${number(stats.publish_out ?? 0)}</b></div>
    </div>
    ${lines[0].points.length < 2 ? null : html`<div class="card"><${Chart} label="Messages a second" height=${120} times=${lines[0].points.map(([at]) => at / 1000)}
      series=${lines.map(({ label, colour, points }) => ({ label, colour, values: points.map(([, value]) => value) }))} /></div>`}
  </div>`;
}, 'Numbers');

/** Counters, newest first, as what was added a second. */
function perSecond(samples) {
  const oldest = [...samples].reverse();
  return oldest.slice(1).map(({ sample, timestamp }, at) => [timestamp, Math.max(0, ((sample - oldest[at].sample) * 1000) / Math.max(1, timestamp - oldest[at].timestamp))]);
}

const Parts = view(({ exchange }) => {
  const { vhost, name, internal } = exchange;
  return html`<${Tabs} label="Exchange" tabs=${[
    { id: 'bindings', label: 'Where it leads', draw: () => html`<${Outgoing} vhost=${vhost} name=${name} type=${exchange.type} />` },
    { id: 'from', label: 'What leads here', hidden: name === '', draw: () => html`<${Incoming} vhost=${vhost} name=${name} />` },
    { id: 'routing', label: 'Try routing', draw: () => html`<${RoutingTester} vhost=${vhost} exchange=${name} type=${exchange.type} />` },
    { id: 'publish', label: 'Publish', hidden: !can('write', vhost) || internal, draw: () => html`<${Publish} vhost=${vhost} exchange=${name} />` },
  ]} />`;
}, 'Parts');
