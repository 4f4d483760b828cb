/** Feature flags, plugins that are built in, and what RabbitMQ is going to lose. */
import { html, view } from '../component.js';
import { live } from '../live.js';
import { Loaded } from '../parts/empty.js';
import { Card } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';

const PHASES = {
  permitted_by_default: 'still allowed', denied_by_default: 'off unless it is asked for', disconnected: 'gone', removed: 'gone',
};

const row = (name, description, mark) => html`<tr key=${name}><td><code>${name}</code></td><td>${description}</td><td class="end">${mark}</td></tr>`;
const tableOf = (label, head, rows) => html`<div class="scroll-x" tabindex="0" role="region" aria-label=${label}><table class="table plain"><thead><tr>${head.map((title, i) => html`<th key=${title} scope="col" class=${i === 2 ? 'end' : ''}>${title}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;

export const Features = view((_, self) => {
  const flags = self.keep('flags', () => live('/api/feature-flags'));
  const nodes = self.keep('nodes', () => live('/api/nodes'));
  const deprecated = self.keep('deprecated', () => live('/api/deprecated-features'));
  const used = self.keep('used', () => live('/api/deprecated-features/used'));
  return html`<div class="stack">
    ${used.data.value?.length ? html`<${Notice} tone="warn" title="In use here, and going away in RabbitMQ">${used.data.value.map((one) => one.name).join(', ')}<//>` : null}
    <${Card} title="Built in" class="flush-table"><${Loaded} of=${nodes}>${([node]) => tableOf('Built in', ['Name', 'What it does', 'State'], [
    ...node.applications.map((one) => row(one.name, one.description, html`<${Badge} tone="good">on<//>`)),
    ...node.exchange_types.filter((one) => one.name.startsWith('x-')).map((one) => row(one.name, `Exchange type. ${one.description}`, html`<${Badge} tone="good">on<//>`)),
  ])}<//><//>
    <${Card} title="Feature flags" class="flush-table"><${Loaded} of=${flags}>${(all) => tableOf('Feature flags', ['Name', 'What it does', 'State'], all.map((one) => row(one.name, one.desc, html`<${Badge} tone=${one.state === 'enabled' ? 'good' : 'plain'}>${one.state}<//>`)))}<//><//>
    <${Card} title="What RabbitMQ is going to lose" class="flush-table"><${Loaded} of=${deprecated}>${(all) => tableOf('What RabbitMQ is going to lose', ['Name', 'What it is', 'State'], all.map((one) => row(one.name, one.desc, html`<span class="quiet">${PHASES[one.deprecation_phase] ?? one.deprecation_phase}</span>`)))}<//><//>
  </div>`;
}, 'Features');
