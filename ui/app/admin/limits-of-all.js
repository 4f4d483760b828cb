/** All limits of vhosts and users. */
import { html, view } from '../component.js';
import { live } from '../live.js';
import { Loaded } from '../parts/empty.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { link } from '../router.js';
import { can } from '../session.js';
import { editLimits, LIMITS, limitText } from './limits.js';

const TITLES = { vhost: 'Virtual hosts', user: 'Users' };
const LEADS = { vhost: 'A new connection or queue above the limit is refused.', user: 'Over all virtual hosts together.' };

const Limits = view(({ kind }, self) => {
  const things = self.keep('things', () => live(`/api/${kind}s?columns=name`));
  const limits = self.keep('limits', () => live(`/api/${kind}-limits`));
  return html`<${Card} title=${TITLES[kind]} class="flush-table"><p class="quiet">${LEADS[kind]}</p>
    <${Loaded} of=${limits}>${(all) => html`<${Loaded} of=${things}>${(names) => html`<div class="scroll-x" tabindex="0" role="region" aria-label=${TITLES[kind]}><table class="table plain">
      <thead><tr><th scope="col">Name</th>${LIMITS[kind].map(([limit, label]) => html`<th key=${limit} scope="col" class="end">${label}</th>`)}<th scope="col"><span class="sr-only">Actions</span></th></tr></thead>
      <tbody>${names.map(({ name }) => {
    const value = all.find((one) => one[kind] === name)?.value;
    return html`<tr key=${name}><td><a href=${link([`${kind}s`, name])}>${name}</a></td>${LIMITS[kind].map(([limit]) => html`<td key=${limit} class="end num">${limitText(value?.[limit])}</td>`)}
        <td class="end">${can('administrator') ? html`<button type="button" class="icon-button" aria-label="Change the limits of ${name}" title="Change" onClick=${() => editLimits(kind, name, value)}><${Icon} name="edit" /></button>` : null}</td></tr>`;
  })}</tbody></table></div>`}<//>`}<//><//>`;
}, 'Limits');

export const LimitsOfAll = () => html`<div class="stack"><${Limits} kind="vhost" />${can('administrator') ? html`<${Limits} kind="user" />` : null}</div>`;
