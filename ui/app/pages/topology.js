/** The topology of a vhost as a picture that lives: exchanges, queues, dead letters, consumers, and how much goes where. */
import { computed, html, view } from '../component.js';
import { url } from '../api.js';
import { number, plural } from '../format.js';
import { live } from '../live.js';
import { query, setQuery } from '../router.js';
import { vhosts } from '../session.js';
import { Empty, Skeleton } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Icon } from '../parts/icon.js';
import { Page } from '../parts/page.js';
import { Notice } from '../parts/state.js';
import { layout } from './topology-layout.js';
import { around, graphOf, grouped, limited, matching, ratesOf, withoutUnbound } from './topology-model.js';
import { Picture } from './topology-picture.js';
import { Side } from './topology-side.js';

/** Nodes of one picture: more cannot be read. */
const NODES_MAX = 300;
/** In a picture of more nodes than these, queues that are alike are one. */
const GROUPED_ABOVE = 60;
/** Queues and exchanges that are asked for; the filter goes to the server where there are more. */
const OBJECTS_MAX = 500;
const EXCHANGE_FIELDS = 'name,type,arguments,effective_policy_definition,message_stats.publish_in_details.rate,message_stats.publish_out_details.rate';
const QUEUE_FIELDS = 'name,type,arguments,effective_policy_definition,messages,messages_ready,messages_unacknowledged,consumers,message_stats.publish_details.rate,'
  + 'message_stats.deliver_get_details.rate,message_stats.ack_details.rate';

const vhostHere = () => query.value.vhost || vhosts.value[0] || '/';

export default view((_, self) => {
  const data = self.keep('data', dataOf);
  const picture = self.keep('picture', () => pictureOf(data));
  return html`<${Page} title="Topology" fill>
    <div class="toolbar"><${Filter} label="Filter by name" /><${Vhosts} /><${Options} picture=${picture} /></div>
    <${Content} data=${data} picture=${picture} />
  <//>`;
}, 'Topology');

/** Everything that is asked, for the vhost of the address. */
function dataOf() {
  const list = (kind, fields) => live(() => `${url`/api/${kind}/${vhostHere()}`}?page=1&page_size=${OBJECTS_MAX}&columns=${fields}`, { keep: true });
  const lists = {
    exchanges: list('exchanges', EXCHANGE_FIELDS),
    queues: list('queues', QUEUE_FIELDS),
    bindings: live(() => url`/api/bindings/${vhostHere()}`, { keep: true }),
    consumers: live(() => `${url`/api/consumers/${vhostHere()}`}?columns=queue.name,consumer_tag`, { keep: true }),
  };
  const all = Object.values(lists);
  return {
    objects: computed(() => {
      const [exchanges, queues, bindings, consumers] = all.map(({ data }) => data.value);
      if (all.some(({ data }) => data.value === undefined)) return null;
      return { exchanges: exchanges.items, queues: queues.items, bindings, consumers, missing: queues.filtered_count - queues.items.length };
    }),
    error: computed(() => all.map(({ error }) => error.value).find(Boolean) ?? null),
    dispose: () => all.forEach((one) => one.dispose()),
  };
}

/** What is drawn. The layout follows the structure alone, so that nothing moves when only numbers change. */
function pictureOf({ objects }) {
  const whole = computed(() => (objects.value === null ? null : graphOf(objects.value)));
  const bound = computed(() => {
    if (whole.value === null) return null;
    return query.value.unbound === '1' ? { graph: whole.value, hidden: 0 } : withoutUnbound(whole.value);
  });
  const shown = computed(() => {
    if (bound.value === null) return null;
    const focused = query.value.focus ? around(whole.value, query.value.focus) : bound.value.graph;
    const found = matching(focused, query.value.filter ?? '');
    const simple = found.nodes.length > GROUPED_ABOVE ? grouped(found, query.value.open) : found;
    return limited(simple, NODES_MAX);
  });
  const structure = computed(() => (shown.value === null ? '' : JSON.stringify({
    nodes: shown.value.graph.nodes.map(({ id }) => ({ id })), edges: shown.value.graph.edges.map(({ id, from, to, kind }) => ({ id, from, to, kind })),
  })));
  return {
    graph: computed(() => shown.value?.graph ?? null),
    left: computed(() => (shown.value?.left ?? 0) + (objects.value?.missing ?? 0)),
    hidden: computed(() => bound.value?.hidden ?? 0),
    layout: computed(() => (structure.value === '' ? null : layout(JSON.parse(structure.value)))),
    rates: computed(() => (shown.value === null ? new Map() : ratesOf(shown.value.graph))),
  };
}

const Vhosts = view(() => {
  if (vhosts.value.length < 2) return null;
  const chosen = vhostHere();
  return html`<span class="select"><select aria-label="Virtual host" value=${chosen} onChange=${(event) => setQuery({ vhost: event.target.value, focus: '' })}>
    ${vhosts.value.map((name) => html`<option key=${name} value=${name} selected=${name === chosen}>${name}</option>`)}</select><${Icon} name="down" /></span>`;
}, 'Vhosts');

const Options = view(({ picture }) => {
  const { unbound, focus, open } = query.value;
  const hidden = picture.hidden.value;
  return html`${focus ? html`<button type="button" class="button" onClick=${() => setQuery({ focus: '' })}><${Icon} name="close" />Show all</button>` : null}
    ${open ? html`<button type="button" class="button" onClick=${() => setQuery({ open: '' })}><${Icon} name="close" />Close the group</button>` : null}
    <span class="grow"></span>
    ${!focus && (hidden > 0 || unbound === '1') ? html`<button type="button" class="button quiet-button" aria-pressed=${unbound === '1' ? 'true' : 'false'}
      onClick=${() => setQuery({ unbound: unbound === '1' ? '' : '1' }, { replace: true })}>${unbound === '1' ? 'Without unbound exchanges' : `${plural(hidden, 'unbound exchange')}`}</button>` : null}`;
}, 'Options');

const Content = view(({ data, picture }) => {
  const error = data.error.value;
  const graph = picture.graph.value;
  if (graph === null && error) return html`<${Notice} tone="bad">${error.message}<//>`;
  if (graph === null) return html`<${Skeleton} lines=${8} />`;
  if (graph.nodes.length === 0) return html`<div class="card"><${Nothing} /></div>`;
  const left = picture.left.value;
  return html`${left > 0 ? html`<${Notice}>${number(left)} more are not in the picture. Filter by name to see others.<//>` : null}
    <div class="topology"><${Picture} picture=${picture} /><${Side} picture=${picture} vhost=${vhostHere()} /></div>`;
}, 'Content');

const Nothing = view(() => (query.value.filter ? html`<${Empty} icon="search" title="Nothing has this in its name" />`
  : html`<${Empty} icon="topology" title="Nothing is here yet">Queues and exchanges with bindings appear as soon as applications declare them.<//>`), 'Nothing');
