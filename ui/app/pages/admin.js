/** The server: what it is, where it listens, its limits, definitions, features and log. One section at a time, each at its own address. */
import { html, view } from '../component.js';
import { Definitions } from '../admin/definitions.js';
import { Features } from '../admin/features.js';
import { LimitsOfAll } from '../admin/limits-of-all.js';
import { Listeners } from '../admin/listeners.js';
import { Log } from '../admin/log.js';
import { MayAny } from '../admin/may-any.js';
import { Node } from '../admin/node.js';
import { Page } from '../parts/page.js';
import { Notice } from '../parts/state.js';
import { link } from '../router.js';
import { can } from '../session.js';

/** `[name, title, what is drawn, who may see it]` */
const SECTIONS = [
  ['node', 'Node', Node, 'monitoring'],
  ['listeners', 'Listeners', Listeners, 'monitoring'],
  ['definitions', 'Definitions', Definitions, 'administrator'],
  ['limits', 'Limits', LimitsOfAll, 'monitoring'],
  ['may', 'Who may what', MayAny, 'administrator'],
  ['features', 'Features', Features, 'monitoring'],
  ['log', 'Log', Log, 'administrator'],
];

export default view(({ params }) => {
  const shown = SECTIONS.filter(([, , , who]) => can(who));
  const [name, title, Section] = shown.find(([candidate]) => candidate === (params.section ?? 'node')) ?? [];
  return html`<${Page} title="Server" name=${title ? `${title} · Server` : 'Server'}>
    <nav class="tab-list" aria-label="Server">${shown.map(([to, label]) => html`<a key=${to} class="tab tab-link" href=${link(to === 'node' ? '/admin' : ['admin', to])} aria-current=${to === name ? 'page' : undefined}>${label}</a>`)}</nav>
    ${Section ? html`<${Section} key=${name} />` : html`<${Notice}>There is no such section, or it is not for you.<//>`}
  <//>`;
}, 'Server');
