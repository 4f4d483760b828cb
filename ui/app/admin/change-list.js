/** Changes, a line each: what was, and what will be. */
import { html } from '../component.js';
import { Icon } from '../parts/icon.js';
import { valueText } from './policy-form.js';

const SIGNS = { added: 'plus', removed: 'minus', changed: 'right' };
const WORDS = { added: 'added', removed: 'removed', changed: 'changed' };

const shown = (path, value) => (value === undefined ? '' : typeof value === 'string' && value !== '' ? value : valueText(path.replace(/^(definition|arguments)\.(x-)?/, ''), value) || '(empty)');

/** @param {{changes: import('./diff.js').Change[]}} props */
export function ChangeList({ changes }) {
  return html`<ul class="plain changes">${changes.map(({ path, kind, before, after }) => html`<li key=${path} class="change change-${kind}">
    <${Icon} name=${SIGNS[kind]} /><span class="sr-only">${WORDS[kind]}</span><code>${path}</code>
    ${before === undefined ? null : html`<del>${shown(path, before)}</del>`}${after === undefined ? null : html`<ins>${shown(path, after)}</ins>`}</li>`)}</ul>`;
}
