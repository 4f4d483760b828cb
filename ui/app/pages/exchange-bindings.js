/** The bindings of an exchange, from it and to it. */
import { html, signal, view } from '../component.js';
import { del, post, url } from '../api.js';
import { inline, number, rate } from '../format.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { can } from '../session.js';
import { confirm } from '../parts/confirm.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Field, Pairs, Refusal, submission, tableOf } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Table } from '../parts/table.js';
import { toast } from '../parts/toast.js';
import { namesOf } from '../message/names.js';
import { DEFAULT } from './exchange-words.js';
import { deadLetterTarget } from './topology-model.js';

/** The arguments of a binding, as text. */
export const argumentsOf = (binding) => Object.entries(binding.arguments ?? {}).map(([name, value]) => `${name} = ${inline(value)}`).join(', ');

const keyColumns = [
  { id: 'key', title: 'Routing key', min: 140, value: (it) => it.routing_key, text: (it) => it.routing_key, cell: (it) => (it.routing_key ? html`<span class="mono">${it.routing_key}</span>` : html`<span class="quiet">empty</span>`) },
  { id: 'arguments', title: 'Arguments', min: 160, text: argumentsOf, cell: (it) => argumentsOf(it) || html`<span class="zero">–</span>` },
];

const removeColumn = (refresh) => ({
  id: 'remove', title: 'Remove', width: 84, align: 'end', always: true,
  cell: (it) => html`<button type="button" class="icon-button small" aria-label="Remove the binding to ${it.destination} with ${it.routing_key}" title="Remove" onClick=${() => unbind(it, refresh)}><${Icon} name="trash" /></button>`,
});

const target = (it) => (it.destination_type === 'queue' ? link(['queues', it.vhost, it.destination]) : link(['exchanges', it.vhost, it.destination]));

const outgoingColumns = (mayWrite, refresh) => [
  { id: 'to', title: 'To', always: true, min: 180, value: (it) => it.destination, text: (it) => it.destination,
    cell: (it) => html`<span class="with-icon"><${Icon} name=${it.destination_type === 'queue' ? 'queues' : 'exchanges'} label=${it.destination_type} /><a href=${target(it)}>${it.destination}</a></span>` },
  ...keyColumns,
  { id: 'waiting', title: 'In the queue', width: 112, align: 'end', value: (it) => it.messages, cell: (it) => (it.messages === undefined ? html`<span class="zero">–</span>` : number(it.messages)) },
  { id: 'rate', title: 'Queue gets', width: 104, align: 'end', help: 'Messages a second that come into the queue, from everywhere', value: (it) => it.rate,
    cell: (it) => (it.rate === undefined ? html`<span class="zero">–</span>` : html`<span class=${it.rate ? undefined : 'zero'}>${rate(it.rate)}</span>`) },
  ...(mayWrite ? [removeColumn(refresh)] : []),
];

const QUEUES = 'page=1&page_size=500&columns=name,messages,message_stats.publish_details.rate';

/** Where messages go from an exchange. */
export const Outgoing = view(({ vhost, name, type }, self) => {
  const bindings = self.keep('bindings', () => live(url`/api/exchanges/${vhost}/${name || DEFAULT}/bindings/source`));
  const queues = self.keep('queues', () => live(`${url`/api/queues/${vhost}`}?${QUEUES}`));
  const isDefault = name === '';
  const mayWrite = can('write', vhost) && !isDefault;
  const columns = self.keep(`columns ${mayWrite}`, () => outgoingColumns(mayWrite, bindings.refresh));
  const add = html`<button type="button" class="button" onClick=${() => openBind({ vhost, name, type, refresh: bindings.refresh })}><${Icon} name="plus" />Bind</button>`;
  return html`<${Loaded} of=${bindings}>${(all) => {
    const about = new Map((queues.data.value?.items ?? []).map((queue) => [queue.name, queue]));
    const rows = all.map((it) => ({ ...it, ...(it.destination_type === 'queue' ? numbersOf(about.get(it.destination)) : {}) }));
    return html`<${Table} id="exchange.bindings" label="Bindings" columns=${columns} rows=${rows} rowKey=${keyOf} href=${target} sort="to" sortName="order"
      toolbar=${mayWrite ? add : null} note=${html`<span class="quiet num">${number(rows.length)}</span>`}
      empty=${html`<${Empty} icon="exchanges" title="Nothing is bound to this exchange">What is published to it reaches no queue, unless it has an alternate exchange.<//>`} />`;
  }}<//>`;
}, 'Outgoing');

const numbersOf = (queue) => (queue === undefined ? {} : { messages: queue.messages, rate: queue.message_stats?.publish_details?.rate ?? 0 });
const keyOf = (it) => `${it.source} ${it.destination_type} ${it.destination} ${it.properties_key}`;

const INCOMING = [
  { id: 'from', title: 'From', always: true, min: 180, value: (it) => it.name, text: (it) => it.name,
    cell: (it) => html`<span class="with-icon"><${Icon} name=${it.kind === 'queue' ? 'queues' : 'exchanges'} label=${it.kind} /><a href=${it.href}>${it.name}</a></span>` },
  { id: 'why', title: 'Why', min: 180, value: (it) => it.why, cell: (it) => it.why },
  { id: 'key', title: 'Routing key', min: 140, value: (it) => it.key, text: (it) => it.key, cell: (it) => (it.key ? html`<span class="mono">${it.key}</span>` : html`<span class="quiet">${it.key === '' ? 'empty' : 'its own'}</span>`) },
  { id: 'arguments', title: 'Arguments', min: 140, text: argumentsOf, cell: (it) => argumentsOf(it) || html`<span class="zero">–</span>` },
];

const DEATHS = 'page=1&page_size=500&columns=name,arguments,effective_policy_definition&disable_stats=true';

/** What sends messages to an exchange, but for publishers: other exchanges, and queues their dead letters. */
export const Incoming = view(({ vhost, name }, self) => {
  const bindings = self.keep('bindings', () => live(url`/api/exchanges/${vhost}/${name}/bindings/destination`));
  const queues = self.keep('queues', () => live(`${url`/api/queues/${vhost}`}?${DEATHS}`));
  const exchanges = self.keep('exchanges', () => live(`${url`/api/exchanges/${vhost}`}?page=1&page_size=500`));
  return html`<${Loaded} of=${bindings}>${(all) => {
    const rows = [
      ...all.map((it) => ({ ...it, kind: 'exchange', name: it.source, href: link(['exchanges', vhost, it.source]), why: 'binding', key: it.routing_key })),
      ...deathsInto(name, queues.data.value?.items ?? []).map((it) => ({ ...it, kind: 'queue', href: link(['queues', vhost, it.name]), why: 'its dead letters' })),
      ...(exchanges.data.value?.items ?? []).filter((it) => it.arguments?.['alternate-exchange'] === name)
        .map((it) => ({ name: it.name, kind: 'exchange', href: link(['exchanges', vhost, it.name]), why: 'what it can give to no queue' })),
    ];
    return html`<${Table} id="exchange.incoming" label="What leads here" columns=${INCOMING} rows=${rows} rowKey=${(it) => `${it.kind} ${it.name} ${it.why} ${it.properties_key}`} href=${(it) => it.href} sort="from" sortName="order" picker=${false}
      empty=${html`<${Empty} icon="exchanges" title="Only publishers send to this exchange">No other exchange is bound to it, and no queue sends its dead letters here.<//>`} />`;
  }}<//>`;
}, 'Incoming');

function deathsInto(exchange, queues) {
  const dead = queues.map((queue) => ({ name: queue.name, to: deadLetterTarget(queue) }));
  return dead.filter(({ to }) => to?.exchange === exchange).map(({ name, to }) => ({ name, key: to.key ?? undefined }));
}

const pathOf = (binding) => url`/api/bindings/${binding.vhost}/e/${binding.source}/${binding.destination_type === 'queue' ? 'q' : 'e'}/${binding.destination}`;

/** Removes a binding; that can be undone. */
export function unbind(binding, refresh) {
  return confirm({
    title: 'Remove the binding?', action: 'Remove',
    children: html`<p>Messages for <b>${binding.source}</b> with <code>${binding.routing_key || argumentsOf(binding) || '(empty key)'}</code> will not reach <b>${binding.destination}</b> by it any more.</p>`,
    run: async () => {
      await del(`${pathOf(binding)}/${encodeURIComponent(binding.properties_key)}`);
      refresh();
      toast('The binding is removed.', { undo: async () => {
        await post(pathOf(binding), { routing_key: binding.routing_key, arguments: binding.arguments });
        refresh();
      } });
    },
  });
}

const openBind = (props) => openDialog({ title: `Bind to ${props.name}`, draw: (close) => html`<${Bind} ...${{ ...props, close }} />` });

const KEY_HELP = { topic: '* is one word, # any number of words', fanout: 'A fanout exchange does not look at it', headers: 'A headers exchange does not look at it' };

const Bind = view(({ vhost, name, type, refresh, close }, self) => {
  const form = self.keep('form', () => ({ kind: signal('q'), to: signal(''), key: signal(''), args: signal([]) }));
  const queues = self.keep('queues', () => namesOf('queues', vhost));
  const exchanges = self.keep('exchanges', () => namesOf('exchanges', vhost));
  const { error, isBusy, submit } = submission(self, async () => {
    await post(url`/api/bindings/${vhost}/e/${name}/${form.kind.value}/${form.to.value}`, { routing_key: form.key.value, arguments: tableOf(form.args.value) });
    refresh();
    toast(`${name} leads to ${form.to.value} now.`);
    close(true);
  });
  const names = (form.kind.value === 'q' ? queues : exchanges).names.value;
  return html`<form onSubmit=${submit}>
    <${Field} label="To" type="select" value=${form.kind} options=${[['q', 'a queue'], ['e', 'an exchange']]} />
    <${Field} label=${form.kind.value === 'q' ? 'Queue' : 'Exchange'} value=${form.to} list=${names} required autofocus />
    <${Field} label="Routing key" value=${form.key} help=${KEY_HELP[type]} />
    <${Pairs} label="Arguments" rows=${form.args} names=${type === 'headers' ? ['x-match'] : undefined} help=${type === 'headers' ? 'x-match is all or any; the others are headers' : undefined} />
    <${Refusal} text=${error.value} />
    <${DialogActions}><button type="button" class="button" onClick=${() => close()}>Cancel</button><button type="submit" class="button primary" disabled=${isBusy.value}>Bind</button><//>
  </form>`;
}, 'Bind');
