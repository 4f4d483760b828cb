/** What the node is, and what it has left. */
import { html, signal, view } from '../component.js';
import { put } from '../api.js';
import { bytes, duration, number } from '../format.js';
import { live, refresh } from '../live.js';
import { Loaded } from '../parts/empty.js';
import { Field } from '../parts/form.js';
import { Card, Facts } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';
import { toast } from '../parts/toast.js';
import { can } from '../session.js';
import { openForm } from './form-dialog.js';
import { formatSize, parseSize } from './quantity.js';

/** How full something is, as a bar with words. */
function Gauge({ used, limit, words, isBad }) {
  const part = limit > 0 ? Math.min(1, used / limit) : 0;
  return html`<div class="gauge"><span class="meter wide ${isBad ? 'over' : part > 0.8 ? 'full' : ''}" aria-hidden="true"><span style=${{ width: `${Math.round(part * 100)}%` }}></span></span><span>${words}</span></div>`;
}

/** Sets a limit in bytes, until the broker stops. */
function editLimit({ title, path, old, help }) {
  const text = signal(old > 0 ? formatSize(old) : '');
  const error = signal('');
  return openForm({
    title, action: 'Set',
    draw: () => html`<${Field} label="Limit" value=${text} placeholder="no limit" error=${error.value || undefined} help=${help} autofocus />
      <p class="quiet">It holds until the broker stops. For longer, set it in the configuration.</p>`,
    save: async () => {
      const parsed = text.value.trim() === '' ? { value: null } : parseSize(text.value);
      error.value = 'error' in parsed ? `Has to be ${parsed.error}.` : '';
      if ('error' in parsed) throw new Error('Nothing was set.');
      await put(path, { bytes: parsed.value });
      refresh('/api/nodes');
      toast('The limit is set.');
    },
  });
}

export const Node = view((_, self) => {
  const nodes = self.keep('nodes', () => live('/api/nodes'));
  const coney = self.keep('coney', () => live('/api/coney/node'));
  const overview = self.keep('overview', () => live('/api/overview?columns=product_version,rabbitmq_version,cluster_name,churn_rates'));
  return html`<${Loaded} of=${nodes} lines=${8}>${([node]) => html`<div class="stack">
    ${node.mem_alarm ? html`<${Notice} tone="bad" title="Memory alarm">It uses more memory than it may. Publishers are blocked until consumers have taken enough.<//>` : null}
    ${node.disk_free_alarm ? html`<${Notice} tone="bad" title="Disk alarm">There is less disk space left than there has to be. Publishers are blocked until there is more.<//>` : null}
    <${Card}><${Facts} items=${facts(node, coney.data.value, overview.data.value)} /><//>
    <div class="grid">
      <${Card} title="Memory" actions=${can('administrator') && html`<button type="button" class="button small" onClick=${() => editLimit({ title: 'Memory limit', path: '/api/coney/node/memory-limit', old: node.mem_limit, help: 'Above it publishers are blocked. Such as "2 GiB"; empty for none.' })}>Change</button>`}>
        <${Gauge} used=${node.mem_used} limit=${node.mem_limit} isBad=${node.mem_alarm} words=${node.mem_limit ? `${bytes(node.mem_used)} of ${bytes(node.mem_limit)}` : `${bytes(node.mem_used)}, no limit`} />
        <p class="quiet">Above the limit publishers are blocked; consumers go on.</p><//>
      <${Card} title="Disk" actions=${can('administrator') && node.db_dir && html`<button type="button" class="button small" onClick=${() => editLimit({ title: 'Free disk space', path: '/api/coney/node/disk-free-limit', old: node.disk_free_limit, help: 'Below it publishers are blocked. Such as "2 GiB"; empty for none.' })}>Change</button>`}>
        ${node.db_dir ? html`<p>${bytes(node.disk_free)} free; at least ${bytes(node.disk_free_limit)} has to be.</p><p class="quiet mono">${node.db_dir}</p>` : html`<p class="quiet">Everything is in memory, and gone when the broker stops.</p>`}<//>
      <${Card} title="Sockets and files"><${Gauge} used=${node.sockets_used} limit=${node.sockets_total} words=${`${number(node.sockets_used)} of ${number(node.sockets_total)} sockets`} />
        <${Gauge} used=${node.fd_used} limit=${node.fd_total} words=${`${number(node.fd_used)} of ${number(node.fd_total)} file descriptors`} /><//>
    </div></div>`}<//>`;
}, 'Node');

function facts(node, coney, overview) {
  return [
    ['State', node.running ? html`<${Badge} tone="good" icon="ok">running<//>` : html`<${Badge} tone="bad">not running<//>`],
    ['Name', node.name],
    ['Cluster name', overview?.cluster_name],
    ['Coney', overview?.product_version],
    ['Answers as RabbitMQ', overview?.rabbitmq_version],
    ['Up for', duration(coney?.uptime_ms ?? node.uptime)],
    ['Process', node.os_pid],
    ['Cores', number(node.processors)],
    ['Configuration', node.config_files?.length ? node.config_files.join(', ') : 'no file'],
    ['Log', (node.log_files ?? []).join(', ')],
  ];
}
