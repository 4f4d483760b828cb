/** One virtual host: what is in it, who may enter it, its limits and switches. */
import { computed, html, view } from '../component.js';
import { editLimits, LIMITS, limitText } from '../admin/limits.js';
import { inWords } from '../admin/patterns.js';
import { editPermission } from '../admin/permission-dialog.js';
import { editVhost, vhostBody } from '../admin/vhost-dialog.js';
import { del, post, put, url } from '../api.js';
import { seriesOf } from '../clients/traffic.js';
import { number } from '../format.js';
import { live, refresh } from '../live.js';
import { Chart } from '../parts/chart.js';
import { confirm } from '../parts/confirm.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Card, Facts, Page } from '../parts/page.js';
import { Notice, State } from '../parts/state.js';
import { attempt, toast } from '../parts/toast.js';
import { go, link } from '../router.js';
import { begin, can } from '../session.js';

const LINES = [
  { stat: 'publish', label: 'Publish', colour: '--ready' },
  { stat: 'deliver_get', label: 'Deliver', colour: '--accent' },
  { stat: 'ack', label: 'Ack', colour: '--good', dash: true },
];

const isProtected = (vhost) => Boolean(vhost.metadata?.protected_from_deletion ?? vhost.protected_from_deletion);

const remove = (name, data) => confirm({
  title: `Delete the virtual host ${name}?`, action: 'Delete virtual host', name,
  children: html`<p>Its exchanges, queues and policies go with it, and ${data.messages ? html`<b>${number(data.messages)} messages</b>` : 'no messages'}. Its connections are closed. This cannot be undone.</p>`,
  run: async () => {
    await del(url`/api/vhosts/${name}`);
    toast(`${name} is deleted.`);
    await begin();
    go('/vhosts');
  },
});

const RATES = 'msg_rates_age=60&msg_rates_incr=1';

/** The vhost; who may not ask for one by its name finds it in the list. */
function watch(name) {
  if (can('administrator')) return live(`${url`/api/vhosts/${name}`}?${RATES}`);
  const all = live(`/api/vhosts?${RATES}`);
  const data = computed(() => all.data.value?.find((vhost) => vhost.name === name));
  return { ...all, data, error: computed(() => all.error.value ?? (all.data.value && !data.value ? { status: 404, message: '' } : null)) };
}

export default view(({ params }, self) => {
  const { name } = params;
  const vhost = self.keep('vhost', () => watch(name));
  const data = vhost.data.value;
  const isGone = vhost.error.value?.status === 404;
  const actions = data && !isGone && can('administrator') && html`<button type="button" class="button" onClick=${() => editVhost(data)}><${Icon} name="edit" />Change</button>
    <button type="button" class="button danger-quiet" disabled=${isProtected(data)} title=${isProtected(data) ? 'It is protected' : undefined} onClick=${() => remove(name, data)}><${Icon} name="trash" />Delete</button>`;
  return html`<${Page} title=${name} name=${name} crumbs=${[['Virtual hosts', link('/vhosts')]]} lead=${data?.description} actions=${actions}>
    ${isGone ? html`<${Notice}>There is no such virtual host. <a href="#/vhosts">All of them</a><//>` : html`<${Loaded} of=${vhost} lines=${8}>${(shown) => html`<${Details} vhost=${shown} />`}<//>`}
  <//>`;
}, 'Vhost');

function Details({ vhost }) {
  const { times, series } = seriesOf(vhost.message_stats, LINES);
  return html`<${Card}><${Facts} items=${[
    ['Messages', html`<span class="row"><${State} state="ready" count=${vhost.messages_ready ?? 0} /><${State} state="unacked" count=${vhost.messages_unacknowledged ?? 0} /></span>`],
    ['Queues', html`<a href=${link('/queues', { vhost: vhost.name })}>See them</a>`],
    ['Connections', html`<a href=${link('/connections', { vhost: vhost.name })}>See them</a>`],
    ['Policies', html`<a href=${link('/policies', { vhost: vhost.name })}>See them</a>`],
    ['New queues are', vhost.default_queue_type],
    vhost.tags?.length && ['Tags', vhost.tags.join(', ')],
  ]} /><//>
    <${Card} title="Messages"><${Chart} label="Messages per second in the last minute" times=${times} series=${series} /><//>
    ${can('administrator') ? html`<${Permissions} vhost=${vhost.name} />` : null}
    <div class="grid"><${Limits} vhost=${vhost.name} /><${Switches} vhost=${vhost} /></div>`;
}

const Permissions = view(({ vhost }, self) => {
  const permissions = self.keep('permissions', () => live(url`/api/vhosts/${vhost}/permissions`));
  return html`<${Card} title="Who may enter" class="flush-table"><${Loaded} of=${permissions}>${(rows) => (rows.length === 0
    ? html`<${Empty} icon="user" title="Nobody">Give a user permissions on the <a href="#/users">user's page</a>.<//>`
    : html`<div class="scroll-x" tabindex="0" role="region" aria-label="Who may enter"><table class="table plain"><thead><tr><th scope="col">User</th><th scope="col">Configure</th><th scope="col">Write</th><th scope="col">Read</th><th scope="col"><span class="sr-only">Actions</span></th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.user}><td><a href=${link(['users', row.user])}>${row.user}</a></td>
        ${['configure', 'write', 'read'].map((kind) => html`<td key=${kind}><code>${row[kind] || '(empty)'}</code><div class="quiet small">${inWords(row[kind])}</div></td>`)}
        <td class="end">${can('administrator') ? html`<button type="button" class="icon-button" aria-label="Change what ${row.user} may do" title="Change" onClick=${() => change(row, permissions)}><${Icon} name="edit" /></button>` : null}</td></tr>`)}</tbody></table></div>`)}<//><//>`;
}, 'Permissions');

async function change(row, permissions) {
  await editPermission({ user: row.user, vhost: row.vhost, vhosts: [row.vhost], old: row });
  permissions.refresh();
}

const Limits = view(({ vhost }, self) => {
  const limits = self.keep('limits', () => live(url`/api/vhost-limits/${vhost}`));
  const value = limits.data.value?.[0]?.value;
  const edit = html`<button type="button" class="button small" onClick=${() => editLimits('vhost', vhost, value)}>Change</button>`;
  return html`<${Card} title="Limits" actions=${can('administrator') && limits.data.value && edit}>
    <${Loaded} of=${limits}>${() => html`<${Facts} class="lines" items=${LIMITS.vhost.map(([limit, label]) => [label, limitText(value?.[limit])])} />`}<//><//>`;
}, 'Limits');

/** A switch with what it does. */
const Toggle = view(({ label, help, isOn, onChange }) => html`<label class="toggle"><span><b>${label}</b><small class="quiet">${help}</small></span>
  <input type="checkbox" role="switch" checked=${isOn} disabled=${!can('administrator')} onChange=${(event) => onChange(event.target.checked)} /></label>`, 'Toggle');

function Switches({ vhost }) {
  const after = () => refresh(url`/api/vhosts/${vhost.name}`);
  const trace = (isOn) => attempt(() => put(url`/api/vhosts/${vhost.name}`, vhostBody(vhost, { tracing: isOn })), isOn ? `${vhost.name} is traced.` : `${vhost.name} is traced no more.`).then(after);
  const protect = (isOn) => {
    const path = url`/api/vhosts/${vhost.name}/deletion/protection`;
    return attempt(() => (isOn ? post(path) : del(path)), isOn ? `${vhost.name} is protected.` : `${vhost.name} can be deleted.`).then(after);
  };
  return html`<${Card} title="Switches">
    <${Toggle} label="Tracing" help="Copies each message that is published or delivered to amq.rabbitmq.trace. It costs throughput." isOn=${vhost.tracing} onChange=${trace} />
    <${Toggle} label="Protected from deletion" help="It cannot be deleted before this is switched off." isOn=${isProtected(vhost)} onChange=${protect} /><//>`;
}
