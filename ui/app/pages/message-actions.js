/** What can be done with a message. */

import { html, view } from '../component.js';
import { post, url } from '../api.js';
import { asNow, asPublished, isDeadLetter } from '../message/path.js';
import { can } from '../session.js';
import { confirm } from '../parts/confirm.js';
import { openDialog } from '../parts/dialog.js';
import { Icon } from '../parts/icon.js';
import { Menu } from '../parts/menu.js';
import { Publish } from '../parts/publish.js';
import { attempt, toast } from '../parts/toast.js';
import { transfer } from './queue-acting.js';
import { hasContent } from './queue-peek.js';

/**
 * @param {{place: {vhost: string, name: string, position: number}, message: object, isLog: boolean, onDone: () => any}} props `message` as the API shows it;
 *   `isLog`: in a stream, from which nothing can be taken
 */
export const MessageActions = view(({ place, message, isLog, onDone }) => {
  if (!can('write', place.vhost)) return null;
  const { state } = message;
  const isReady = state === 'ready' && !isLog;
  const isWaiting = state === 'delayed' || state === 'parked';
  const canReplay = isReady && hasContent(message) && isDeadLetter(message);
  const items = [
    hasContent(message) && { label: 'Publish again', icon: 'send', run: () => publishAgain(place, message) },
    isReady && { label: 'Copy to', icon: 'copy', run: () => transfer('copy', place, meant(place), onDone) },
    isReady && { label: 'Move to', icon: 'move', run: () => transfer('move', place, meant(place), onDone) },
    isReady && { label: 'Delete', icon: 'trash', danger: true, run: () => remove(place, onDone) },
    isWaiting && { label: 'Drop', icon: 'trash', danger: true, run: () => drop(place, state, onDone) },
  ];
  return html`${canReplay ? html`<button type="button" class="button primary" onClick=${() => replay(place, message, onDone)}><${Icon} name="replay" />Replay</button>` : null}
    ${isWaiting ? html`<button type="button" class="button primary" onClick=${() => release(place, state, onDone)}><${Icon} name="play" />Deliver now</button>` : null}
    <${Menu} label="More" text="Actions" icon="down" items=${items} />`;
}, 'MessageActions');

/** What the actions of a queue's page take. */
const meant = ({ position }) => ({ body: { ids: [position] }, text: 'this message', isAll: false, isOne: true });

const act = ({ vhost, name, position }, what, more = {}) => post(url`/api/coney/queues/${vhost}/${name}/messages/${what}`, { ids: [position], ...more });

/** @throws when it is not there any more, or had nowhere to go */
function check({ done, matched, without_target: without }, words) {
  if (done > 0) return;
  throw new Error(without > 0 ? words.nowhere : matched === 0 ? 'The message is not in the queue any more, or it is delivered at the moment.' : 'Nothing was done.');
}

async function replay(place, message, onDone) {
  const { exchange, routing_key: key } = asPublished(message);
  const where = html`the ${exchange === '' ? 'default exchange' : html`exchange <b>${exchange}</b>`} with the key <code>${key || '(empty)'}</code>`;
  await confirm({
    title: 'Replay this message?', action: 'Replay', danger: false,
    children: html`<p>It goes back to ${where}, as it was first published, and leaves <b>${place.name}</b> in the same step. The header <code>x-replays</code> counts it.</p>`,
    run: async () => {
      check(await act(place, 'replay'), { nowhere: 'Nothing takes it there: no queue is bound so. It stays here.' });
      toast('The message is replayed.');
      await onDone();
    },
  });
}

async function remove(place, onDone) {
  await confirm({
    title: 'Delete this message?', action: 'Delete', count: 1,
    children: html`<p>It is taken out of <b>${place.name}</b> for good. It is not dead-lettered, and this cannot be undone.</p>`,
    run: async () => {
      check(await act(place, 'delete'), {});
      toast('The message is deleted.');
      await onDone();
    },
  });
}

async function release(place, state, onDone) {
  await attempt(async () => {
    check(await act(place, 'release', { state }), {});
    await onDone();
  }, 'The message is ready.');
}

async function drop(place, state, onDone) {
  await confirm({
    title: 'Drop this message?', action: 'Drop', count: 1,
    children: html`<p>It is taken out of <b>${place.name}</b> for good. It is not dead-lettered, and this cannot be undone.</p>`,
    run: async () => {
      check(await act(place, 'drop', { state }), {});
      toast('The message is dropped.');
      await onDone();
    },
  });
}

function publishAgain(place, message) {
  const source = isDeadLetter(message) ? asPublished(message) : asNow(message);
  const { exchange, routing_key: routingKey } = source;
  openDialog({ title: 'Publish again', kind: 'wide', draw: () => html`<${Publish} ...${{ vhost: place.vhost, exchange, routingKey, message: source }} />` });
}
