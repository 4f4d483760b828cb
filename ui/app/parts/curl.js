/** "This as curl": what this page asks the broker, and what was last done, as commands. */
import { computed, html, view } from '../component.js';
import { actions, base } from '../api.js';
import { watchedPaths } from '../live.js';
import { session } from '../session.js';
import { Code } from './copy.js';
import { openDialog } from './dialog.js';
import { Age } from './time.js';

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A request as a command for a shell. */
export function curl({ method = 'GET', path, body }) {
  const user = session.peek()?.name ?? 'guest';
  const parts = ['curl', '-u', quote(user)];
  if (method !== 'GET' && !(method === 'POST' && body !== undefined)) parts.push('-X', method);
  if (body !== undefined) parts.push('-H', quote('content-type: application/json'));
  parts.push(quote(`${location.origin}${base}${path}`));
  if (body !== undefined) parts.push('-d', quote(JSON.stringify(body)));
  return parts.join(' ');
}

const reads = computed(() => watchedPaths.value.map((path) => curl({ path })));

const Drawer = view(() => html`<div class="stack">
  <p class="quiet">Everything here is the documented HTTP API. curl asks for the password.</p>
  ${actions.value.length ? html`<section class="stack"><h3>What you did last</h3>
    ${actions.value.map((action, i) => html`<div key=${action.at + i} class="stack tight"><span class="quiet small"><${Age} at=${action.at} /> ago</span><${Code} wrap text=${curl(action)} /></div>`)}</section>` : null}
  <section class="stack"><h3>What this page reads</h3>
    ${reads.value.length ? reads.value.map((text) => html`<${Code} wrap key=${text} text=${text} />`) : html`<p class="quiet">Nothing at the moment.</p>`}</section>
</div>`, 'Drawer');

/** Opens the drawer. */
export const openCurl = () => openDialog({ title: 'This as curl', kind: 'drawer', draw: () => html`<${Drawer} />` });
