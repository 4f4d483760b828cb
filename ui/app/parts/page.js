/** The head of a page, and boxes on it. */
import { html, view } from '../component.js';
import { knownVhosts, session } from '../session.js';
import { query, setQuery } from '../router.js';
import { Icon } from './icon.js';

/**
 * A whole page: sets the window's title too.
 * @param {{title: any, beside?: any, name?: string, crumbs?: Array<[string, string]>, lead?: any, actions?: any, fill?: boolean, children: any}} props `beside`: stands
 *   beside the title; `name`: for the
 *   window's title, if `title` is not text; `fill`: as high as the window, for one long table
 */
export const Page = view(({ title, beside, name, crumbs, lead, actions, fill, children }) => {
  const server = session.value?.server?.name;
  document.title = [name ?? title, server, 'Coney'].filter(Boolean).join(' · ');
  return html`<div class=${fill ? 'page page-fill' : 'page'}>
    <header class="page-head">
      <div class="page-title">
        ${crumbs?.length ? html`<nav class="crumbs" aria-label="Where you are">${crumbs.map(([text, href]) => html`<a key=${href} href=${href}>${text}</a><${Icon} name="right" />`)}</nav>` : null}
        <div class="page-name"><h1>${title}</h1>${beside}</div>
        ${lead ? html`<div class="page-lead">${lead}</div>` : null}
      </div>
      ${actions ? html`<div class="page-actions">${actions}</div>` : null}
    </header>
    ${children}
  </div>`;
}, 'Page');

/** A box with a heading. */
export function Card({ title, actions, children, class: extra = '', level = 2 }) {
  const Heading = `h${level}`;
  return html`<section class="card ${extra}">
    ${title || actions ? html`<header class="card-head">${title ? html`<${Heading}>${title}<//>` : null}${actions ? html`<div class="row">${actions}</div>` : null}</header>` : null}
    ${children}
  </section>`;
}

/** Facts: `[label, value]` pairs in columns; empty ones are left out. */
export function Facts({ items, class: extra = '' }) {
  return html`<dl class="facts ${extra}">${items.filter((item) => item && item[1] !== undefined && item[1] !== null).map(([label, value, title]) => html`<div key=${label} title=${title}>
    <dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** Which vhost a list shows (`?vhost=`); nothing where there is only one. */
export const VhostPicker = view(() => {
  const names = knownVhosts.value;
  const chosen = query.value.vhost ?? '';
  if (names.length < 2 && !chosen) return null;
  const all = chosen && !names.includes(chosen) ? [...names, chosen] : names;
  return html`<span class="select"><select aria-label="Virtual host" value=${chosen} onChange=${(event) => setQuery({ vhost: event.target.value })}>
    <option value="">All vhosts</option>
    ${all.map((name) => html`<option key=${name} value=${name} selected=${name === chosen}>${name}</option>`)}</select><${Icon} name="down" /></span>`;
}, 'VhostPicker');
