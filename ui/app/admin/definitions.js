/** Definitions: saved to a file, and a file looked at before it is taken in. */
import { html, view } from '../component.js';
import { get, post, url } from '../api.js';
import { Badge, Notice } from '../parts/state.js';
import { number, plural } from '../format.js';
import { refresh } from '../live.js';
import { Empty } from '../parts/empty.js';
import { Field, Refusal } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { attempt, failed, toast } from '../parts/toast.js';
import { begin, vhosts } from '../session.js';
import { ChangeList } from './change-list.js';
import { definitionsDiff } from './diff.js';
import { download } from './download.js';
import { importOf } from './import-diff.js';

const TONES = { added: 'good', changed: 'warn' };
const SHOWN = 200;

export function Definitions() {
  return html`<div class="stack"><${Export} /><${Import} /></div>`;
}

const pathOf = (vhost) => (vhost === '' ? '/api/definitions' : url`/api/definitions/${vhost}`);
const scopes = () => [['', 'the whole broker'], ...vhosts.value.map((vhost) => [vhost, `the virtual host ${vhost}`])];

const Export = view((_, self) => {
  const vhost = self.signal('vhost', '');
  const save = () => attempt(async () => {
    const definitions = await get(pathOf(vhost.value));
    download(`definitions${vhost.value === '' ? '' : `-${vhost.value.replaceAll(/[^\w.-]+/g, '_')}`}-${new Date().toISOString().slice(0, 10)}.json`, JSON.stringify(definitions, null, 2));
  });
  return html`<${Card} title="Export"><p class="quiet spaced">Users, virtual hosts, permissions, policies, exchanges, queues and bindings as JSON. No messages. RabbitMQ can read it.</p>
    <div class="row"><${Field} label="Of" hideLabel type="select" value=${vhost} options=${scopes()} /><button type="button" class="button" onClick=${save}><${Icon} name="download" />Save as a file</button></div><//>`;
}, 'Export');

const Import = view((_, self) => {
  const [vhost, file, items, error, isBusy] = [self.signal('vhost', ''), self.signal('file', null), self.signal('items', null), self.signal('error', ''), self.signal('busy', false)];
  const look = async (chosen) => {
    [items.value, error.value, file.value] = [null, '', null];
    if (!chosen) return;
    try {
      const definitions = JSON.parse(await chosen.text());
      file.value = { name: chosen.name, definitions };
      items.value = await compare(vhost.value, definitions);
    } catch (problem) {
      error.value = problem instanceof SyntaxError ? 'This is not a JSON file.' : problem.message;
    }
  };
  const again = async () => { if (file.value) items.value = await compare(vhost.value, file.value.definitions).catch((problem) => { error.value = problem.message; return null; }); };
  const take = async () => {
    isBusy.value = true;
    try {
      await post(pathOf(vhost.value), file.value.definitions);
      toast(`${file.value.name} is taken in.`);
      [items.value, file.value] = [null, null];
      refresh();
      await begin();
    } catch (problem) {
      failed(problem);
    } finally {
      isBusy.value = false;
    }
  };
  return html`<${Card} title="Import"><p class="quiet spaced">First you see what a file would change; then you decide. An import adds and changes, and takes nothing away; with a fault in it nothing is done at all.</p>
    <div class="row"><${Field} label="Into" hideLabel type="select" value=${vhost} options=${scopes()} onChange=${again} />
      <label class="button"><${Icon} name="upload" />Choose a file<input type="file" class="sr-only" accept=".json,application/json" onChange=${(event) => { look(event.target.files[0]); event.target.value = ''; }} /></label>
      ${file.value ? html`<span class="quiet">${file.value.name}</span>` : null}</div>
    <${Refusal} text=${error.value} />
    ${items.value ? html`<${Diff} told=${items.value} isBusy=${isBusy.value} take=${take} name=${file.value.name} />` : null}<//>`;
}, 'Import');

/** What the broker says would happen, with what differs in detail. */
async function compare(vhost, definitions) {
  const [told, current] = await Promise.all([
    post('/api/coney/definitions/diff' + (vhost === '' ? '' : `?vhost=${encodeURIComponent(vhost)}`), definitions, { quiet: true }),
    get(pathOf(vhost), { quiet: true }),
  ]);
  return importOf(told, definitionsDiff(vhost === '' ? current : inVhost(current, vhost), definitions, vhost === '' ? null : vhost));
}

/** An export of one vhost does not say which. */
const inVhost = (definitions, vhost) => Object.fromEntries(Object.entries(definitions).map(([kind, list]) => [kind, Array.isArray(list) ? list.map((item) => ({ vhost, ...item })) : list]));

const Diff = view(({ told, isBusy, take, name }, self) => {
  const only = self.signal('only', '');
  const { items, counts, leftOut, notes, refused } = told;
  const shown = items.filter((item) => only.value === '' || item.what === only.value);
  const doesNothing = counts.added + counts.changed === 0;
  if (refused.length) {
    return html`<div class="stack diff"><${Notice} tone="bad" title="The broker would refuse this file">${refused.map((why) => html`<p key=${why}>${why}</p>`)}Nothing of it would be taken in.<//></div>`;
  }
  return html`<div class="stack diff">
    <div class="row" role="group" aria-label="Show only">${['added', 'changed'].filter((what) => counts[what] > 0).map((what) => html`<button key=${what} type="button" class="button small" aria-pressed=${only.value === what ? 'true' : 'false'}
      onClick=${() => { only.value = only.value === what ? '' : what; }}>${what} <b class="num">${number(counts[what])}</b></button>`)}<span class="quiet">${plural(counts.same, 'thing is', 'things are')} there already and ${counts.same === 1 ? 'stays as it is' : 'stay as they are'}.</span></div>
    ${notes.length ? html`<${Notice} tone="warn" title="What has no effect">${notes.map((note) => html`<p key=${note}>${note}</p>`)}<//>` : null}
    ${doesNothing ? html`<${Empty} icon="ok" title="Nothing would change" />` : html`<${Items} items=${shown} leftOut=${only.value === '' ? leftOut : 0} />
    <div class="row"><button type="button" class="button primary" disabled=${isBusy} onClick=${take}>Import ${name}</button>
      <span class="quiet">${plural(counts.added, 'addition')}, ${plural(counts.changed, 'change')}</span></div>`}
  </div>`;
}, 'Diff');

function Items({ items, leftOut }) {
  const hidden = Math.max(0, items.length - SHOWN) + leftOut;
  return html`<ul class="plain diff-items">${items.slice(0, SHOWN).map((item, i) => html`<li key=${i} class="diff-item"><${Badge} tone=${TONES[item.what]}>${item.what}<//>
      <div><span class="quiet">${item.kind}</span> <b>${item.name || '(no name)'}</b>${item.vhost === null ? null : html` <span class="quiet">in ${item.vhost}</span>`}
      ${item.fields.length ? html`<p class="quiet small">${item.fields.join(', ')}</p>` : null}<${ChangeList} changes=${item.changes} /></div></li>`)}</ul>
    ${hidden > 0 ? html`<p class="quiet">And ${plural(hidden, 'more', 'more')}.</p>` : null}`;
}
