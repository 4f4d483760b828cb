/** The states of messages and things, told by word and shape as well as by colour. */
import { html } from '../component.js';
import { number } from '../format.js';
import { Icon } from './icon.js';

/** The states that a message may be in, with what they mean. */
export const STATES = {
  ready: { label: 'Ready', help: 'Waits in the queue for a consumer' },
  unacked: { label: 'Unacked', help: 'Delivered to a consumer, which has not acknowledged it yet' },
  delayed: { label: 'Delayed', help: 'Failed, and waits for its next attempt' },
  parked: { label: 'Parked', help: 'Failed too often; waits until somebody decides' },
};

/** A message's state, with a count if there is one. */
export function State({ state, count, quiet }) {
  const known = STATES[state];
  return html`<span class="state state-${state}" title=${known?.help}>
    <${Icon} name=${known ? state : 'info'} />${count === undefined || !quiet ? html`<span>${known?.label ?? state}</span>` : null}
    ${count === undefined ? null : html`<b>${number(count)}</b>`}
    ${quiet && count !== undefined ? html`<span class="sr-only">${known?.label}</span>` : null}
  </span>`;
}

/** A short remark in a table: `tone` is `bad`, `warn`, `good` or `plain`. */
export function Badge({ tone = 'plain', icon, title, children }) {
  return html`<span class="badge badge-${tone}" title=${title}>${icon ? html`<${Icon} name=${icon} />` : null}<span>${children}</span></span>`;
}

const TONE_ICONS = { bad: 'error', warn: 'warning', good: 'ok', info: 'info' };

/** A notice in the flow of the page. */
export function Notice({ tone = 'info', title, children, actions }) {
  return html`<div class="notice notice-${tone}" role=${tone === 'bad' ? 'alert' : undefined}>
    <${Icon} name=${TONE_ICONS[tone]} />
    <div class="notice-text">${title ? html`<strong>${title}</strong>` : null}<div>${children}</div></div>
    ${actions ? html`<div class="notice-actions">${actions}</div>` : null}
  </div>`;
}
