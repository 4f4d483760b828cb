/** Declares a queue. */
import { html, signal, view } from '../component.js';
import { put, url } from '../api.js';
import { refresh } from '../live.js';
import { go } from '../router.js';
import { vhosts } from '../session.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Field, Pairs, Refusal, pair, submission, tableOf } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { toast } from '../parts/toast.js';

/** Arguments that people set, with a value to begin with. */
const COMMON = [
  ['x-dead-letter-exchange', '', 'string'], ['x-dead-letter-routing-key', '', 'string'], ['x-message-ttl', '60000', 'number'], ['x-expires', '1800000', 'number'],
  ['x-max-length', '10000', 'number'], ['x-max-length-bytes', '104857600', 'number'], ['x-overflow', 'reject-publish', 'string'], ['x-delivery-limit', '5', 'number'],
  ['x-consumer-timeout', '1800000', 'number'], ['x-max-priority', '5', 'number'], ['x-single-active-consumer', 'true', 'boolean'],
  ['x-delayed-retry-type', 'all', 'string'], ['x-delayed-retry-min', '1000', 'number'], ['x-delayed-retry-max', '60000', 'number'],
  ['x-queue-type', 'stream', 'string'], ['x-max-age', '7D', 'string'], ['x-parking-after', '3', 'number'], ['x-parking-ttl', '3600000', 'number'],
];

/** Asks for a name and arguments, and opens the new queue. */
export const newQueue = (vhost) => openDialog({ title: 'New queue', draw: (close) => html`<${Form} vhost=${vhost} close=${close} />` });

const Form = view(({ vhost, close }, self) => {
  const form = self.keep('form', () => ({
    vhost: signal(vhost ?? vhosts.peek()[0] ?? '/'), name: signal(''), kind: signal('durable'), autoDelete: signal(false), args: signal([]),
  }));
  const add = (event) => {
    const found = COMMON.find(([name]) => name === event.target.value);
    if (found) form.args.value = [...form.args.value, pair(...found)];
    event.target.value = '';
  };
  const { error, isBusy, submit } = submission(self, async () => {
    const [where, name] = [form.vhost.value, form.name.value];
    await put(url`/api/queues/${where}/${name}`, { durable: form.kind.value === 'durable', auto_delete: form.autoDelete.value, arguments: tableOf(form.args.value) });
    toast(`The queue ${name} is there.`);
    refresh('/api/queues');
    close(true);
    go(['queues', where, name], { tab: 'publish' });
  });
  return html`<form onSubmit=${submit}>
    ${vhosts.value.length > 1 ? html`<${Field} label="Virtual host" type="select" value=${form.vhost} options=${vhosts.value} />` : null}
    <${Field} label="Name" value=${form.name} required autofocus maxlength="255" />
    <${Field} label="After a restart" type="select" value=${form.kind} options=${[['durable', 'it is there again, with its persistent messages'], ['transient', 'it is gone']]} />
    <${Field} label="Delete it when its last consumer has gone" type="check" value=${form.autoDelete} />
    <${Pairs} label="Arguments" rows=${form.args} names=${COMMON.map(([name]) => name)} />
    <span class="select"><select aria-label="Add a common argument" onChange=${add}><option value="">Add a common argument</option>
      ${COMMON.map(([name]) => html`<option key=${name} value=${name}>${name}</option>`)}</select><${Icon} name="down" /></span>
    <${Refusal} text=${error.value} />
    <${DialogActions}><button type="button" class="button" onClick=${() => close()}>Cancel</button><button type="submit" class="button primary" disabled=${isBusy.value}>Declare</button><//>
  </form>`;
}, 'NewQueue');
