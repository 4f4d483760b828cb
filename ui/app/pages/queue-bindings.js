/** What leads to a queue. */
import { html, signal, view } from '../component.js';
import { del, get, post, url, withQuery } from '../api.js';
import { inline } from '../format.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { can } from '../session.js';
import { confirm } from '../parts/confirm.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Field, Pairs, tableOf } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Table } from '../parts/table.js';
import { toast } from '../parts/toast.js';

const argumentsOf = (binding) => Object.entries(binding.arguments ?? {}).map(([name, value]) => `${name} = ${inline(value)}`).join(', ');

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

const pathOf = (binding) => url`/api/bindings/${binding.vhost}/e/${binding.source}/q/${binding.destination}`;

function unbind(binding, refresh) {
  return confirm({
    title: 'Remove the binding?', action: 'Remove',
    children: html`<p>Messages for <b>${binding.source}</b> with <code>${binding.routing_key || '(empty key)'}</code> will not reach <b>${binding.destination}</b> by it any more.</p>`,
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

const bind = (props) => openDialog({ title: `Bind ${props.name}`, draw: (close) => html`<${Bind} ...${{ ...props, close }} />` });

const Bind = view(({ vhost, name, refresh, close }, self) => {
  const form = self.keep('form', () => ({ exchange: signal(''), key: signal(''), args: signal([]) }));
  const names = self.signal('names', []);
  const error = self.signal('error', '');
  self.onMount('names', () => {
    get(withQuery(url`/api/exchanges/${vhost}`, { page: 1, page_size: 500, columns: 'name' })).then((found) => { names.value = found.items.map((it) => it.name).filter(Boolean); }, () => {});
  });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await post(url`/api/bindings/${vhost}/e/${form.exchange.value}/q/${name}`, { routing_key: form.key.value, arguments: tableOf(form.args.value) });
      refresh();
      toast(`${form.exchange.value} leads to ${name} now.`);
      close(true);
    } catch (problem) {
      error.value = problem.message;
    }
  };
  return html`<form onSubmit=${submit}>
    <${Field} label="Exchange" value=${form.exchange} list=${names.value} required autofocus />
    <${Field} label="Routing key" value=${form.key} help="For a topic exchange: * is one word, # any number" />
    <${Pairs} label="Arguments" rows=${form.args} help="For a headers exchange: x-match and the headers" />
    ${error.value ? html`<p class="field-error" role="alert">${error.value}</p>` : null}
    <${DialogActions}><button type="button" class="button" onClick=${() => close()}>Cancel</button><button type="submit" class="button primary">Bind</button><//>
  </form>`;
}, 'Bind');
