/** A new exchange. */
import { html, signal, view } from '../component.js';
import { put, url } from '../api.js';
import { live } from '../live.js';
import { vhosts } from '../session.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Field, Pairs, Refusal, submission, tableOf } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { TYPES } from './exchange-words.js';

const FLAGS = { 'auto-delete': 'auto_delete', internal: 'internal' };

/** @param {{vhost: string, onDone: () => void}} options */
export const openNewExchange = (options) => openDialog({ title: 'New exchange', draw: (close) => html`<${NewExchange} ...${{ ...options, close }} />` });

const NewExchange = view(({ vhost, onDone, close }, self) => {
  const form = self.keep('form', () => ({
    vhost: signal(vhost), name: signal(''), type: signal('topic'), durable: signal(true), 'auto-delete': signal(false), internal: signal(false), alternate: signal(''), more: signal([]),
  }));
  const overview = self.keep('overview', () => live('/api/overview?columns=exchange_types'));
  const types = (overview.data.value?.exchange_types ?? Object.keys(TYPES).map((name) => ({ name }))).map(({ name }) => name);
  const { error, isBusy, submit } = submission(self, async () => {
    await put(url`/api/exchanges/${form.vhost.value}/${form.name.value}`, bodyOf(form));
    toast(`The exchange ${form.name.value} is there.`);
    onDone();
    close(true);
  });
  return html`<form onSubmit=${submit}>
    <${Field} label="Name" value=${form.name} required autofocus />
    ${vhosts.value.length > 1 ? html`<${Field} label="Virtual host" type="select" value=${form.vhost} options=${vhosts.value} />` : null}
    <${Field} label="Type" type="select" value=${form.type} options=${types} help=${TYPES[form.type.value]} />
    <${Field} label="Durable: it outlives a restart" type="check" value=${form.durable} />
    <${Field} label="Deletes itself when nothing is bound to it any more" type="check" value=${form['auto-delete']} />
    <${Field} label="Internal: only other exchanges and dead letters reach it" type="check" value=${form.internal} />
    <${Field} label="Alternate exchange" value=${form.alternate} help="Gets what this exchange can give to no queue" />
    <${Pairs} label="Arguments" rows=${form.more} names=${['x-delayed-type', 'x-cache-size', 'x-cache-ttl']} />
    <${Refusal} text=${error.value} />
    <${DialogActions}><button type="button" class="button" onClick=${() => close()}>Cancel</button><button type="submit" class="button primary" disabled=${isBusy.value}>Create</button><//>
  </form>`;
}, 'NewExchange');

function bodyOf(form) {
  const more = tableOf(form.more.value);
  if (form.alternate.value) more['alternate-exchange'] = form.alternate.value;
  const flags = Object.entries(FLAGS).map(([id, name]) => [name, form[id].value]);
  return { type: form.type.value, durable: form.durable.value, ...Object.fromEntries(flags), arguments: more };
}
