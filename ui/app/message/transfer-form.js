/** Where messages are to be moved or copied: a queue, or an exchange with a key. */

import { html, view } from '../component.js';
import { namesOf } from './names.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Field } from '../parts/form.js';

/**
 * @param {{kind: 'move'|'copy', vhost: string, from: string, what: string, run: (to: {queue: string}|{exchange: string, routing_key?: string}) => Promise<any>}} options
 *   `what` is moved: "this message", "12 messages"
 * @returns {Promise<boolean|undefined>} whether it was done
 */
export function openTransfer({ kind, vhost, from, what, run }) {
  const title = `${kind === 'move' ? 'Move' : 'Copy'} ${what}`;
  return openDialog({ title, draw: (close) => html`<${Form} ...${{ kind, vhost, from, run, close }} />` });
}

const KINDS = [['queue', 'A queue'], ['exchange', 'An exchange, with a routing key']];

const Form = view(({ kind, vhost, from, run, close }, self) => {
  const to = self.signal('to', 'queue');
  const queue = self.signal('queue', '');
  const exchange = self.signal('exchange', '');
  const key = self.signal('key', '');
  const error = self.signal('error', '');
  const isBusy = self.signal('busy', false);
  const queues = self.keep('queues', () => namesOf('queues', vhost));
  const exchanges = self.keep('exchanges', () => namesOf('exchanges', vhost));
  const isQueue = to.value === 'queue';
  const submit = async (event) => {
    event.preventDefault();
    isBusy.value = true;
    error.value = '';
    try {
      // Without a key of its own each message keeps the one that it has.
      const named = key.value === '' ? {} : { routing_key: key.value };
      await run(isQueue ? { queue: queue.value } : { exchange: exchange.value, ...named });
      close(true);
    } catch (problem) {
      error.value = problem.message;
    } finally {
      isBusy.value = false;
    }
  };
  return html`<form onSubmit=${submit}>
    <${Field} label="To" type="select" value=${to} options=${KINDS} />
    ${isQueue ? html`<${Field} label="Queue" value=${queue} list=${queues.names.value.filter((name) => name !== from)} required autofocus />`
      : html`<${Field} label="Exchange" value=${exchange} list=${exchanges.names.value} help="Empty: the default exchange" />
        <${Field} label="Routing key" value=${key} help="Empty: each message keeps its own" />`}
    ${error.value ? html`<p class="field-error" role="alert">${error.value}</p>` : null}
    <${DialogActions}><button type="button" class="button" onClick=${() => close(false)}>Cancel</button>
      <button type="submit" class="button primary" disabled=${isBusy.value}>${kind === 'move' ? 'Move' : 'Copy'}</button><//>
  </form>`;
}, 'TransferForm');
