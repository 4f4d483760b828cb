/** Where the broker listens, and how long the certificates are good for. */
import { html, view } from '../component.js';
import { get } from '../api.js';
import { live } from '../live.js';
import { Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';

const PROTOCOLS = {
  amqp: ['AMQP 0-9-1', 'not encrypted'],
  'amqp/ssl': ['AMQP 0-9-1', 'TLS'],
  http: ['HTTP: this page and the API', 'not encrypted'],
  https: ['HTTP: this page and the API', 'TLS'],
  'http/prometheus': ['Metrics for Prometheus', 'not encrypted'],
  'https/prometheus': ['Metrics for Prometheus', 'TLS'],
};

/** How far ahead certificates are looked at, soonest first. */
const SPANS = [[1, 'weeks', 'a week'], [1, 'months', 'a month'], [3, 'months', 'three months']];

/** Asks until one expires within a span. */
async function expiry() {
  for (const [count, unit, words] of SPANS) {
    try {
      await get(`/api/health/checks/certificate-expiration/${count}/${unit}`, { quiet: true });
    } catch (error) {
      if (error.status === 503) return { words, reason: error.message };
      throw error;
    }
  }
  return null;
}

export const Listeners = view((_, self) => {
  const overview = self.keep('overview', () => live('/api/overview?columns=listeners'));
  const soon = self.signal('soon', undefined);
  self.onMount('expiry', () => { expiry().then((found) => { soon.value = found; }, () => {}); });
  return html`<${Loaded} of=${overview} lines=${5}>${({ listeners }) => html`<div class="stack">
    ${soon.value ? html`<${Notice} tone="warn" title=${`A certificate expires within ${soon.value.words}`}>${soon.value.reason}<//>` : null}
    <${Card} class="flush-table"><div class="scroll-x" tabindex="0" role="region" aria-label="Listeners"><table class="table plain"><thead><tr><th scope="col">For</th><th scope="col">Address</th><th scope="col">Port</th><th scope="col">Encryption</th></tr></thead>
      <tbody>${listeners.map((one) => {
    const [what, encryption] = PROTOCOLS[one.protocol] ?? [one.protocol, ''];
    return html`<tr key=${`${one.ip_address} ${one.port} ${one.protocol}`}><td>${what}</td><td class="mono">${one.ip_address}</td><td class="mono">${one.port}</td>
      <td>${encryption === 'TLS' ? html`<span class="good"><${Icon} name="lock" /> TLS</span>` : html`<span class="quiet">${encryption}</span>${isOpen(one) ? html` <${Badge} tone="warn" title="Whoever can read the network can read passwords and messages">beyond this machine<//>` : null}`}</td></tr>`;
  })}</tbody></table></div><//>
    ${listeners.some((one) => PROTOCOLS[one.protocol]?.[1] === 'TLS') && soon.value === null ? html`<p class="quiet">All certificates are good for three months and more.</p>` : null}
  </div>`}<//>`;
}, 'Listeners');

const isOpen = ({ ip_address: address }) => !/^(127\.|::1$|localhost)/.test(address);
