/** What leads to a queue. */
import { html, signal, view } from '../component.js';
import { post, url } from '../api.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { can } from '../session.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Field, Pairs, Refusal, submission, tableOf } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Table } from '../parts/table.js';
import { toast } from '../parts/toast.js';
import { namesOf } from '../message/names.js';
import { argumentsOf, unbind } from './exchange-bindings.js';

const columnsOf = (mayWrite, refresh) => [
  { id: 'source', title: 'From exchange', always: true, min: 160, value: (it) => it.source, text: (it) => it.source,
    cell: (it) => html`<a href=${link(['exchanges', it.vhost, it.source])}>${it.source}</a>` },
  { id: 'key', title: 'Routing key', min: 160, value: (it) => it.routing_key, text: (it) => it.routing_key, cell: (it) => html`<span class="mono">${it.routing_key}</span>` },
  { id: 'arguments', title: 'Arguments', min: 200, text: argumentsOf, cell: (it) => argumentsOf(it) || html`<span class="zero">–</span>` },
  ...(mayWrite ? [{ id: 'remove', title: 'Remove', width: 84, align: 'end', always: true,
    cell: (it) => html`<button type="button" class="icon-button small" aria-label="Remove the binding from ${it.source} with ${it.routing_key}" title="Remove" onClick=${() => unbind(it, refresh)}><${Icon} name="trash" /></button>` }] : []),
];

export const Bindings = view(({ vhost, name }, self) => {
  const bindings = self.keep('bindings', () => live(url`/api/queues/${vhost}/${name}/bindings`));
  const mayWrite = can('write', vhost);
  const columns = self.keep(`columns ${mayWrite}`, () => columnsOf(mayWrite, bindings.refresh));
  const add = html`<button type="button" class="button" onClick=${() => bind({ vhost, name, refresh: bindings.refresh })}><${Icon} name="plus" />Bind</button>`;
  return html`<${Loaded} of=${bindings}>${(all) => {
    const rows = all.filter((binding) => binding.source !== '');
    return html`<div class="stack">
      <p class="quiet">The default exchange always leads here, with the routing key <code>${name}</code>.</p>
      <${Table} id="queue.bindings" label="Bindings" columns=${columns} rows=${rows} rowKey=${(it) => `${it.source} ${it.properties_key}`} sort="source" sortName="order" picker=${false}
        toolbar=${mayWrite ? add : null} empty=${html`<${Empty} icon="exchanges" title="No exchange is bound to this queue">Only messages for the default exchange reach it.<//>`} />
    </div>`;
  }}<//>`;
}, 'Bindings');

const bind = (props) => openDialog({ title: `Bind ${props.name}`, draw: (close) => html`<${Bind} ...${{ ...props, close }} />` });

const Bind = view(({ vhost, name, refresh, close }, self) => {
  const form = self.keep('form', () => ({ exchange: signal(''), key: signal(''), args: signal([]) }));
  const { names } = self.keep('names', () => namesOf('exchanges', vhost));
  const { error, isBusy, submit } = submission(self, async () => {
    await post(url`/api/bindings/${vhost}/e/${form.exchange.value}/q/${name}`, { routing_key: form.key.value, arguments: tableOf(form.args.value) });
    refresh();
    toast(`${form.exchange.value} leads to ${name} now.`);
    close(true);
  });
  return html`<form onSubmit=${submit}>
    <${Field} label="Exchange" value=${form.exchange} list=${names.value} required autofocus />
    <${Field} label="Routing key" value=${form.key} help="For a topic exchange: * is one word, # any number" />
    <${Pairs} label="Arguments" rows=${form.args} help="For a headers exchange: x-match and the headers" />
    <${Refusal} text=${error.value} />
    <${DialogActions}><button type="button" class="button" onClick=${() => close()}>Cancel</button><button type="submit" class="button primary" disabled=${isBusy.value}>Bind</button><//>
  </form>`;
}, 'Bind');
