/** What to do when there is nothing; and what stands there while an answer is on its way. */
import { html, view } from '../component.js';
import { Icon } from './icon.js';
import { Notice } from './state.js';

/** @param {{icon?: string, title: string, children?: any, actions?: any}} props */
export function Empty({ icon = 'info', title, children, actions }) {
  return html`<div class="empty">
    <span class="empty-icon"><${Icon} name=${icon} /></span>
    <p class="empty-title">${title}</p>
    ${children ? html`<div class="empty-text">${children}</div>` : null}
    ${actions ? html`<div class="row center">${actions}</div>` : null}
  </div>`;
}

/** Grey bars. */
export function Skeleton({ lines = 4 }) {
  return html`<div class="skeleton" aria-hidden="true" aria-busy="true">${Array.from({ length: lines }, (_, i) => html`<span key=${i} class="skeleton-line"></span>`)}</div>
    <span class="sr-only" role="status">Loading</span>`;
}

/**
 * Draws what a `live` has, or that it is on its way, or why not: html`<${Loaded} of=${queue}>${(data) => ..}</>`.
 */
export const Loaded = view(({ of, children, lines, missing }) => {
  const data = of.data.value;
  const error = of.error.value;
  const draw = Array.isArray(children) ? children[0] : children;
  if (data === undefined && !error) return html`<${Skeleton} lines=${lines} />`;
  if (error?.status === 404 && missing) return missing;
  if (data === undefined) return html`<${Notice} tone=${error.status === 404 ? 'info' : 'bad'}>${error.message}<//>`;
  return html`${error ? html`<${Notice} tone="warn">${error.message} What stands here is old.<//>` : null}${draw(data)}`;
}, 'Loaded');
