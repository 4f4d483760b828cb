/** A new virtual host, or what is said about one. */
import { html, signal } from '../component.js';
import { put, url } from '../api.js';
import { refresh } from '../live.js';
import { Field } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { go } from '../router.js';
import { begin } from '../session.js';
import { openForm } from './form-dialog.js';

const TYPES = [['classic', 'classic'], ['quorum', 'quorum: 20 deliveries at most'], ['stream', 'stream: a log that is read by offset']];

/**
 * All that the API is told about a vhost at a time: what is left out would be emptied.
 * @param {any} vhost
 * @param {Record<string, any>} changes
 */
export const vhostBody = (vhost, changes) => ({
  description: vhost.description ?? '', tags: (vhost.tags ?? []).join(','), default_queue_type: vhost.default_queue_type, tracing: vhost.tracing, ...changes,
});

/** @param {any} [old] */
export function editVhost(old) {
  const [name, description, tags] = [signal(old?.name ?? ''), signal(old?.description ?? ''), signal((old?.tags ?? []).join(', '))];
  const kind = signal(old?.default_queue_type ?? 'classic');
  return openForm({
    title: old ? `Virtual host ${old.name}` : 'Add a virtual host', action: old ? 'Save' : 'Add virtual host', isReady: () => name.value.trim() !== '',
    draw: () => html`${old ? null : html`<${Field} label="Name" value=${name} autofocus required help="Clients name it when they connect: amqp://host/NAME" />`}
      <${Field} label="Description" value=${description} />
      <div class="fields"><${Field} label="Tags" value=${tags} placeholder="none" help="With commas between them." />
        <${Field} label="New queues are" type="select" value=${kind} options=${TYPES} help="Where a client does not say which type." /></div>`,
    save: async () => {
      const vhost = name.value.trim();
      const said = { description: description.value, tags: tags.value.split(',').map((tag) => tag.trim()).filter(Boolean).join(','), default_queue_type: kind.value };
      await put(url`/api/vhosts/${vhost}`, old ? vhostBody(old, said) : said);
      refresh('/api/vhosts');
      toast(old ? `${vhost} is changed.` : `${vhost} is there.`);
      if (!old) {
        await begin();
        go(['vhosts', vhost]);
      }
    },
  });
}
