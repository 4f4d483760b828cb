/** What holds for a queue, and where each setting comes from. */
import { html, view } from '../component.js';
import { get, url } from '../api.js';
import { duration, inline } from '../format.js';
import { link } from '../router.js';
import { Empty, Skeleton } from '../parts/empty.js';
import { Badge, Notice } from '../parts/state.js';

const ORIGINS = {
  argument: { label: 'argument', tone: 'accent', help: 'Given when the queue was declared; only a new queue can have another' },
  policy: { label: 'policy', tone: 'good', help: 'From a policy: changes with it' },
  'operator-policy': { label: 'operator policy', tone: 'warn', help: 'From an operator policy: a bound that nobody can go beyond' },
  default: { label: 'default', tone: 'plain', help: 'What Coney does without a setting' },
};

/** Settings in ms, which are told in words as well. */
const MS = /(ttl|expires|timeout|delay|age|interval)$/;
const shown = (name, value) => (value === null || value === undefined ? html`<span class="quiet">none</span>` : html`<span class="mono">${inline(value)}</span>
  ${typeof value === 'number' && MS.test(name) && value >= 1000 ? html` <span class="quiet">(${duration(value)})</span>` : null}`);

/** Of a server that does not tell: arguments and the policy as they are. */
const fromQueue = (queue) => [
  ...Object.entries(queue.arguments ?? {}).map(([name, value]) => ({ name: name.replace(/^x-/, ''), value, origin: 'argument' })),
  ...Object.entries(queue.effective_policy_definition ?? {}).map(([name, value]) => ({ name, value, origin: 'policy', policy: queue.policy })),
].sort((a, b) => a.name.localeCompare(b.name));

const ORDER = ['argument', 'operator-policy', 'policy', 'default'];

export const Settings = view(({ queue }, self) => {
  const { vhost, name } = queue;
  const told = self.signal('told', undefined);
  const error = self.signal('error', null);
  // Asked anew when something about the queue's policies has changed.
  const mark = JSON.stringify([queue.policy, queue.operator_policy, queue.effective_policy_definition]);
  self.keep(`asked ${mark}`, () => {
    get(url`/api/coney/queues/${vhost}/${name}/settings`).then((found) => { told.value = found; }, (problem) => {
      if (problem.status === 404) told.value = null;
      else error.value = problem;
    });
    return true;
  });
  if (error.value) return html`<${Notice} tone="bad">${error.value.message}<//>`;
  if (told.value === undefined) return html`<${Skeleton} />`;
  const rows = [...(told.value ?? fromQueue(queue))].sort((a, b) => ORDER.indexOf(a.origin) - ORDER.indexOf(b.origin));
  if (!rows.length) return html`<${Empty} title="Nothing is set">All is as Coney does it by itself.<//>`;
  return html`<div class="table-box"><table class="table plain"><thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">From</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.name}><th scope="row" class="row-head">${row.name}</th><td>${shown(row.name, row.value)}</td><td><${Origin} row=${row} vhost=${vhost} /></td></tr>`)}</tbody></table></div>`;
}, 'Settings');

function Origin({ row, vhost }) {
  const origin = ORIGINS[row.origin] ?? ORIGINS.default;
  return html`<span class="row"><${Badge} tone=${origin.tone} title=${origin.help}>${origin.label}<//>${row.policy
    ? row.origin === 'policy' ? html`<a href=${link(['policies', vhost, row.policy])}>${row.policy}</a>` : html`<b>${row.policy}</b>` : null}</span>`;
}
