/** What can be done with a queue as a whole. */
import { html } from '../component.js';
import { del, post, url } from '../api.js';
import { number, plural } from '../format.js';
import { refresh } from '../live.js';
import { go } from '../router.js';
import { confirm } from '../parts/confirm.js';
import { isStream, readyOf } from './queue-problem.js';
import { toast } from '../parts/toast.js';

const UNDO_S = 60;

/** What a purge takes: all but what is with consumers. */
export const purgeable = (queue) => (queue.messages_ready ?? 0) + (queue.messages_delayed ?? 0) + (queue.messages_parked ?? 0);

const parts = (queue) => [[readyOf(queue), 'ready'], [queue.messages_delayed, 'delayed'], [queue.messages_parked, 'parked']]
  .filter(([count]) => count > 0).map(([count, state]) => `${number(count)} ${state}`).join(', ');

/** All messages go that are not with consumers; for a minute they can be put back. */
export function purgeQueue(queue) {
  const { vhost, name, messages_unacknowledged: unacked } = queue;
  const count = purgeable(queue);
  return confirm({
    title: `Purge ${name}?`, action: 'Purge', name, count,
    children: html`<p>${plural(count, 'message')} will be dropped (${parts(queue)}). You can undo it for a minute.</p>
      ${unacked ? html`<p class="quiet">${plural(unacked, 'message')} with consumers ${unacked === 1 ? 'is' : 'are'} not touched.</p>` : null}`,
    run: async () => {
      const answer = await post(url`/api/coney/queues/${vhost}/${name}/purge`, { undo_s: UNDO_S });
      toast(`${plural(answer.purged, 'message is', 'messages are')} purged from ${name}.`, {
        undoSeconds: UNDO_S, undo: async () => { await post(url`/api/coney/purges/${answer.id}/undo`); refresh('/api/queues'); },
      });
      refresh('/api/queues');
    },
  });
}

/** The queue goes, with all that is in it. */
export async function deleteQueue(queue) {
  const { vhost, name, messages, consumers } = queue;
  const what = isStream(queue) ? 'stream' : 'queue';
  const isDone = await confirm({
    title: `Delete the ${what} ${name}?`, action: `Delete ${what}`, name,
    children: html`<p>The ${what}, its bindings and ${messages ? html`<b>${plural(messages, 'message')}</b>` : 'nothing else (it is empty)'} will be gone. This cannot be undone.</p>
      ${consumers ? html`<p>${plural(consumers, 'consumer')} will be cancelled.</p>` : null}`,
    run: () => del(url`/api/queues/${vhost}/${name}`),
  });
  if (isDone) {
    toast(`The ${what} ${name} is deleted.`);
    go('/queues', { vhost: vhost === '/' ? '' : vhost });
  }
}

/** The ready messages as lines of JSON, in a file of the browser. They stay in the queue. */
export function exportQueue(queue) {
  const { vhost, name } = queue;
  const anchor = document.createElement('a');
  anchor.href = url`/api/coney/queues/${vhost}/${name}/export`;
  anchor.download = `${name.replace(/[^\w.-]+/g, '_')}.ndjson`;
  anchor.click();
  toast(`Saving ${number(readyOf(queue))} ready messages; they stay in the queue.`, { tone: 'info' });
}

/** Puts the messages of such a file into the queue. */
export function importQueue({ vhost, name }) {
  const input = document.createElement('input');
  input.type = 'file';
  input.accept = '.ndjson,.jsonl,.json,application/x-ndjson';
  input.addEventListener('change', async () => {
    const [file] = input.files;
    if (!file) return;
    const text = await file.text();
    const count = text.split('\n').filter((line) => line.trim()).length;
    await confirm({
      title: `Load ${plural(count, 'message')}?`, action: 'Load', count, danger: false, children: html`<p>From <b>${file.name}</b> into <b>${name}</b>, behind what is there.</p>`,
      run: async () => {
        const answer = await post(url`/api/coney/queues/${vhost}/${name}/import`, undefined, { raw: text });
        toast(`${plural(answer.imported, 'message is', 'messages are')} in ${name}.`);
        refresh('/api/queues');
      },
    });
  });
  input.click();
}
