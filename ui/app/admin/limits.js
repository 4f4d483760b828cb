/** Limits of vhosts and users: shown, set, taken away. */
import { html, signal } from '../component.js';
import { del, put, url } from '../api.js';
import { number } from '../format.js';
import { refresh } from '../live.js';
import { Field } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { openForm } from './form-dialog.js';

/** What can be limited: `[name, label]`. */
export const LIMITS = {
  vhost: [['max-connections', 'Connections at most'], ['max-queues', 'Queues at most']],
  user: [['max-connections', 'Connections at most'], ['max-channels', 'Channels at most']],
};

/** A limit as it is shown: a negative one is none. */
export const limitText = (value) => (value === undefined || value === null || value < 0 ? html`<span class="quiet">no limit</span>` : number(value));

/**
 * @param {'vhost' | 'user'} kind
 * @param {string} name
 * @param {Record<string, number>} old
 */
export function editLimits(kind, name, old) {
  const values = LIMITS[kind].map(([limit]) => signal(old?.[limit] >= 0 ? String(old[limit]) : ''));
  return openForm({
    title: `Limits of ${name}`, action: 'Save',
    draw: () => html`<div class="fields">${LIMITS[kind].map(([limit, label], i) => html`<${Field} key=${limit} label=${label} value=${values[i]} type="number" min="0" placeholder="no limit" />`)}</div>
      <p class="quiet">What is there already stays; only what is new is refused. 0 allows none.</p>`,
    save: async () => {
      await Promise.all(LIMITS[kind].map(([limit], i) => {
        const path = kind === 'vhost' ? url`/api/vhost-limits/${name}/${limit}` : url`/api/user-limits/${name}/${limit}`;
        const text = values[i].value.trim();
        if (text === '') return old?.[limit] === undefined ? null : del(path);
        return put(path, { value: Number(text) });
      }));
      refresh(`/api/${kind}-limits`);
      refresh(`/api/${kind}s`);
      toast(`The limits of ${name} are set.`);
    },
  });
}
